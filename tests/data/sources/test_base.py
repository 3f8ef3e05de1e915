"""What every data set can do, and how one is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain_core.data.images import Picture
from explain_core.data.sources import SOURCES, DataSet, Item, load_data
from explain_core.errors import DataError, InputError

DOCS = Path(__file__).resolve().parents[3] / "docs" / "data.md"


def unread() -> Picture:
    raise AssertionError("nobody asked for this picture")


def data(patients: list[str | None]) -> DataSet:
    return DataSet("test", tuple(Item(str(i), unread, i % 2, patient=p) for i, p in enumerate(patients)))


def names(part: DataSet) -> list[str]:
    return [item.name for item in part]


@pytest.mark.parametrize("form", [row.form for row in SOURCES.values()])
def test_a_form_has_its_line(form: str) -> None:
    assert f"| `{form}` |" in DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize("spec", ["", "voc", "voc:", "phantoms:3,4", "nowhere:x", *(f"{name}:" for name in SOURCES)])
def test_an_unknown_spec_says_what_there_is(spec: str) -> None:
    with pytest.raises(DataError, match=r"form|there is|did you mean"):
        load_data(spec)


@pytest.mark.parametrize("name", [name for name, row in SOURCES.items() if row.form.endswith(("DIR", "FILE"))])
def test_a_path_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    spec = f"{name}:{tmp_path / 'none'}"
    with pytest.raises(DataError, match="no such") as caught:
        load_data(spec)
    assert str(caught.value).startswith(spec)
    assert isinstance(caught.value, InputError)


def test_a_sample_is_drawn_once_each_in_order() -> None:
    drawn = names(data([None] * 50).sample(20, seed=3))
    assert drawn == sorted(set(drawn), key=int)
    assert len(drawn) == 20
    assert drawn == names(data([None] * 50).sample(20, seed=3))
    assert drawn != names(data([None] * 50).sample(20, seed=4))


def test_a_sample_of_all_is_all() -> None:
    assert names(data([None] * 3).sample(10, seed=0)) == ["0", "1", "2"]
    with pytest.raises(DataError, match="n = 0"):
        data([None]).sample(0, seed=0)


@given(st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=2, max_size=30), st.floats(0.05, 0.95))
def test_a_split_keeps_patients_together(patients: list[str | None], share: float) -> None:
    whole = data(patients)
    if len({p or i for i, p in enumerate(patients)}) < 2:
        with pytest.raises(DataError, match="split"):
            whole.split(share, 0)
        return
    first, second = whole.split(share, seed=1)
    assert first.items
    assert second.items
    assert sorted(names(first) + names(second), key=int) == names(whole)
    assert not {i.patient for i in first if i.patient} & {i.patient for i in second if i.patient}


def test_a_split_has_about_its_share() -> None:
    first, second = data([None] * 40).split(0.25, seed=1)
    assert (len(first), len(second)) == (10, 30)
    assert names(first) != names(data([None] * 40).split(0.25, seed=2)[0])


def test_a_fingerprint_tells_sets_apart() -> None:
    whole = data([None] * 4)
    assert whole.sha256 == data([None] * 4).sha256
    assert whole.sha256 != whole[1:].sha256
    relabelled = DataSet("test", tuple(Item(str(i), unread, 0) for i in range(4)))
    assert whole.sha256 != relabelled.sha256
    assert whole[:2].spec == "test"
