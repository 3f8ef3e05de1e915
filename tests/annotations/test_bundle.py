"""A bundle is read whole and as it was written, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotations.bundle import read_bundle
from explain_core.errors import InputError
from tests.annotations.bundles import item, write_bundle


def test_what_was_written_is_read(tmp_path: Path) -> None:
    items = [item("a"), item("b", "gold", truth="changed"), item("c", "repeat", repeats="a")]
    bundle = read_bundle(write_bundle(tmp_path / "b", items))
    assert [(one.name, one.kind, one.truth, one.repeats) for one in bundle.items] == [
        ("a", "ask", None, None), ("b", "gold", "changed", None), ("c", "repeat", None, "a"),
    ]  # fmt: skip
    assert (bundle.title, bundle.question.name, bundle.spec) == ("Cats", "unchanged", {"model": "demo"})
    assert bundle.items[0].told == {"rho": 0.05}


@pytest.mark.parametrize(
    ("items", "why"),
    [
        ([], "needs 1 to"),
        ([item("a"), item("a")], "the same name"),
        ([item("a", "gold")], "no truth"),
        ([item("a", "gold", truth="perhaps")], "Answer 'perhaps'"),
        ([item("a", "silver")], "of kind 'silver'"),
        ([item("a", "repeat", repeats="b")], "repeats none"),
        ([item("a", repeats="a")], "repeats none"),
        ([{**item("a"), "class": ""}], "'class' needs a text"),
        ([{**item("a"), "pictures": {}}], "has no pictures"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, items: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(InputError, match=why):
        read_bundle(write_bundle(tmp_path / "b", items))


def test_every_item_has_what_its_question_shows(tmp_path: Path) -> None:
    assert len(read_bundle(write_bundle(tmp_path / "a", [item("a", question="better")], question="better")).items) == 1
    with pytest.raises(InputError, match="item 'a' has no explanation picture, which 'right-thing' shows"):
        read_bundle(write_bundle(tmp_path / "b", [item("a")], question="right-thing"))


@pytest.mark.parametrize("place", ["/etc/passwd", "../secret.png", "pictures/../../x.png"])
def test_nothing_outside_the_bundle_is_read(tmp_path: Path, place: str) -> None:
    folder = write_bundle(tmp_path / "b", [item("a")])
    told = json.loads((folder / "bundle.json").read_text())
    told["items"][0]["pictures"]["original"] = place
    (folder / "bundle.json").write_text(json.dumps(told))
    with pytest.raises(InputError, match="outside the bundle"):
        read_bundle(folder)


def test_a_changed_or_missing_picture_is_found(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", [item("a")])
    (folder / "pictures/a-original.png").write_bytes(b"another")
    with pytest.raises(InputError, match="is not the file"):
        read_bundle(folder)
    (folder / "pictures/a-original.png").unlink()
    with pytest.raises(InputError, match="copy the whole bundle"):
        read_bundle(folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(text=st.one_of(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)))
def test_whatever_stands_there_an_error_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "bundle.json").write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(InputError):
        read_bundle(tmp_path)
