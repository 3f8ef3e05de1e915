"""`rhoscope explain` of films: by file and by name, with the mapping and the grey levels beside each result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cli import main
from explain_core.dicom.decode import shared_decoder
from explain_core.errors import InputError
from explain_core.films.importing import import_folder
from explain_core.films.looking import is_film, look
from explain_core.models.classifier import InputSpec
from explain_core.models.registry import workspace
from tests.dicom.making import VALUES, film, saved

KEY = b"k" * 32
ANY = InputSpec(1)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))


def imported(folder: Path, **changes: object) -> str:
    """The name of a film that was imported into the workspace."""
    saved(folder / "in" / "a.dcm", film(**changes))
    (only,) = import_folder(folder / "in", workspace() / "films", KEY, shared_decoder()).films
    return only.film


def test_a_file_and_a_name_are_the_same_pixels(tmp_path: Path) -> None:
    name = imported(tmp_path)
    one, other = look(tmp_path / "in" / "a.dcm", ANY), look(Path(f"film:{name}"), ANY)
    assert np.array_equal(one.pixels, other.pixels)
    assert np.array_equal(np.rint(one.pixels[0] * 4095), VALUES)
    assert one.seen == {"size": (64, 48), "top": 0, "left": 0, "height": 64, "width": 48, "mirrored": False}
    assert is_film(Path(f"film:{name}"))
    assert not is_film(Path("film.png"))


def test_films_in_quarantine_and_films_that_are_not_there(tmp_path: Path) -> None:
    name = imported(tmp_path, BurnedInAnnotation="YES")
    with pytest.raises(InputError, match="quarantine"):
        look(Path(f"film:{name}"), ANY)
    with pytest.raises(InputError, match="There is no film"):
        look(Path("film:none"), ANY)


def test_a_film_is_explained_and_its_mapping_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The largest change is told in stored values, and in levels of the film's first window, 4,096 wide."""
    name, out = imported(tmp_path), tmp_path / "out"
    asked = ["--out", str(out), "--method", "explain-plus", "--set", "explain-plus.steps=5", "--rho", "0.02"]
    assert main(["explain", f"film:{name}", *asked, "--memory", "1"]) == 0, capsys.readouterr().err
    (line,) = [json.loads(text) for text in (out / "explanations.jsonl").read_text().splitlines()]
    assert line["image"] == f"film:{name}"
    assert line["seen"]["size"] == [64, 48]
    with np.load(out / line["file"]) as arrays:
        stored = np.abs(arrays["perturbed"].astype(np.float64) - arrays["input"]).max() * 4095
    change = line["largest_change"]
    assert change["stored"] == pytest.approx(stored, rel=1e-5)
    assert change["greys"] == pytest.approx(stored * 255 / 4095, rel=1e-3)
    assert "centre 2048, width 4096" in change["window"]


def test_too_little_memory_is_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path / "large.dcm", film(np.zeros((2048, 2048), np.uint16)))
    asked = ["--out", str(tmp_path / "out"), "--method", "perceptual-ball", "--rho", "none", "--memory", "0.1"]
    assert main(["explain", str(tmp_path / "large.dcm"), *asked]) == 2
    assert "raise the limit (--memory, or RHOSCOPE_MEMORY), lower history" in " ".join(capsys.readouterr().err.split())
