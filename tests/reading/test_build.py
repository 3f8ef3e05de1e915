"""What a study shows: phantoms as films, explanations as the methods give them, and what failed said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotations.reading.bundle import read_study
from cli import main
from explain_core.data.phantom import phantom
from explain_core.dicom.film import unit
from explain_core.engine.library import Library, choose_device
from explain_core.errors import DataError, InputError, ParamError
from explain_core.evaluation.asking import Asking
from explain_core.films.record import find
from explain_core.methods import METHODS
from explain_core.reading import build, long
from explain_core.reading.build import Arm, arm_from
from explain_core.reading.cases import read_cases, read_truth
from explain_core.reading.maps import read_map
from explain_core.shapes import Ellipse, shape_of

SPEC: dict[str, Any] = {
    "model": "demo", "data": "phantom:3,5", "practice": "phantom:1,6", "arms": ["alone=", "aided=gradcam+output"],
}  # fmt: skip


def carried_out(folder: Path, **more: Any) -> Path:
    return long.carry_out({**SPEC, **more}, folder, "cpu", on_progress=lambda _: None, on_fault=lambda _: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a shell."""
    out = tmp_path_factory.mktemp("study") / "build"
    arms = [word for arm in SPEC["arms"] for word in ("--arm", arm)]
    assert (
        main(["study", "build", "--data", SPEC["data"], "--practice", SPEC["practice"], *arms, "--out", str(out)]) == 0
    )
    return out


def test_films_are_the_phantoms_and_nothing_tells_which_have_a_lesion(folder: Path) -> None:
    bundle = read_study(folder / "bundle")
    assert [case.practice for case in bundle.cases] == [True, False, False, False]
    assert bundle.arms[1].methods == ("gradcam",)
    for number, case in enumerate(bundle.cases[1:]):
        drawn = phantom(20_500_000 + number, label=number % 2)
        film = find(folder / "bundle" / "films", case.films[0]["film"]).open(folder / "bundle" / "films")
        assert np.abs(unit(film) - drawn.pixels).max() <= 0.5 / 4095 + 1e-6
        assert (film.facts.laterality, film.facts.view) == (drawn.side, drawn.view)
        assert case.truth["label"] == drawn.label
        assert str(20_500_000 + number) not in json.dumps([case.name, case.films])
        for region in case.truth["regions"]:
            ellipse = shape_of(region["shape"])
            assert isinstance(ellipse, Ellipse)
            assert drawn.lesion[int(ellipse.cy), int(ellipse.cx)]


def test_explanations_are_those_of_the_method(folder: Path) -> None:
    bundle = read_study(folder / "bundle")
    held = Library(choose_device("cpu"), METHODS).open("demo")
    case = next(case for case in bundle.cases if case.truth["label"])
    film = case.films[0]["film"]
    (one,) = (told for told in bundle.explanations if told.case == case.name)
    pixels = unit(find(folder / "bundle" / "films", film).open(folder / "bundle" / "films"))[None].astype(np.float32)
    target = max(case.output[film], key=case.output[film].get)
    answer = Asking(held, "gradcam")(
        [np.repeat(pixels, held.card.input.channels, 0)], [held.card.classes.index(target)]
    )[0]
    values = read_map(folder / "bundle" / one.file)
    size = np.abs(answer.saliency)
    np.testing.assert_allclose(values, size / size.max(), atol=1e-5)
    assert values.shape == (256, 256)


def test_the_same_again_computes_nothing_and_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (folder / "bundle" / "study.json").read_bytes()
    monkeypatch.setattr(build, "Asking", None)  # whoever calls it fails
    spec = {**SPEC, "target": "top1", "title": "", "seed": 0, "truth": "", "films": ""}
    assert long.carry_out(spec, folder, "cpu", on_progress=lambda _: None, on_fault=lambda _: None).is_dir()
    assert (folder / "bundle" / "study.json").read_bytes() == before


def test_what_fails_has_a_row_that_says_why_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Asking):
        def __call__(self, *given: Any, **more: Any) -> Any:
            raise ParamError("It did not.")

    spec = {"data": "phantom:1,5", "practice": "", "arms": ["aided=gradcam"]}
    monkeypatch.setattr(build, "Asking", Failing)
    (one,) = read_study(carried_out(tmp_path, **spec)).explanations
    assert (one.state, one.note, one.sha256) == ("failed", "It did not.", "")
    monkeypatch.undo()
    (one,) = read_study(carried_out(tmp_path, **spec)).explanations
    assert one.state == "made"


def test_arms_as_they_are_written() -> None:
    assert arm_from("alone=") == Arm("alone", ())
    assert arm_from("both=gradcam,rise+output") == Arm("both", ("gradcam", "rise"), True)
    for text in ("gradcam", "=gradcam", "a=gradcam+maps", "a=gradcam,gradcam", "a=gradcm"):
        with pytest.raises(ParamError):
            arm_from(text)


def test_what_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="phantom:N,SEED or of films"):
        read_cases("folder:x", "", tmp_path, tmp_path, {})
    with pytest.raises(InputError, match="There is no exam 'P1/E1'"):
        read_cases("films:P1/E1", "", tmp_path, tmp_path, {})
    with pytest.raises(DataError, match="no exam that nobody has to confirm"):
        read_cases("films", "", tmp_path, tmp_path, {})
    table = tmp_path / "truth.csv"
    table.write_text("case,label\nP1/E1,1\nP1/E1,0\n")
    with pytest.raises(InputError, match="line 3: each case once"):
        read_truth(table)
