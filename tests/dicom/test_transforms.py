"""Modality and VOI against the standard's own cases, and against highdicom and pydicom on real films."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_voi, apply_windowing

from explain_core.dicom.decode import Decoder
from explain_core.dicom.film import Facts, Film, Lut, Rescale, VoiWindow, facts_from, facts_record
from explain_core.dicom.transforms import displayed, grey_table, modality, usual, voi

GREY = 1 / 255


def film(values: object, **facts: object) -> Film:
    told = {"bits": 12, "photometric": "MONOCHROME2", "inverse": False, "rescale": Rescale(), **facts}
    return Film(np.asarray(values, np.uint16), Facts(**told), "")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("window", "x", "grey"),
    [
        # PS3.3 C.11.2.1.2.1, its notes 3 and 4: c 2048, w 4096; c 2048, w 1; c 0, w 100.
        (VoiWindow(2048, 4096), [-1, 0, 2048, 4095, 4096], [0, 0, 2048 / 4095, 1, 1]),
        (VoiWindow(2048, 1), [2047, 2048], [0, 1]),
        (VoiWindow(0, 100), [-50.5, -50, 0, 49, 50], [0, 0, 50 / 99, 1, 1]),
        (VoiWindow(2048, 4096, "LINEAR_EXACT"), [0, 2048, 4096], [0, 0.5, 1]),
        (VoiWindow(127, 1, "LINEAR_EXACT"), [126.5, 127, 127.5], [0, 0.5, 1]),
        (VoiWindow(100, 40, "SIGMOID"), [100, 110, 90], [0.5, 1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))]),
        (VoiWindow(0, 1e-6, "SIGMOID"), [-1e9, 1e9], [0, 1]),
        (Lut((0, 100, 255), first=10, bits=8), [0, 10, 11, 12, 999], [0, 0, 100 / 255, 1, 1]),
        (Lut((0, 4095), first=-5, bits=12), [-6, -5, -4], [0, 0, 1]),
    ],
)  # fmt: skip
def test_a_window_does_what_the_standard_says(window: VoiWindow | Lut, x: list[float], grey: list[float]) -> None:
    assert np.allclose(voi(np.array(x, float), window), grey, atol=1e-12)


def test_modality_is_a_line_or_a_table() -> None:
    stored = np.array([0, 1, 7], np.uint16)
    assert modality(stored, Rescale(2, -1024)).tolist() == [-1024, -1022, -1010]
    assert modality(stored, Lut((5, 6, 9), first=0, bits=8)).tolist() == [5, 6, 9]


def test_low_is_bright_where_the_file_says_so() -> None:
    window = VoiWindow(2048, 4096)
    assert displayed(film([[0, 4095]], inverse=True, vois=(window,))).tolist() == [[1, 0]]
    assert displayed(film([[0, 4095]], vois=(window,))).tolist() == [[0, 1]]


def test_without_a_window_all_that_is_no_padding_is_shown() -> None:
    shown = film([[0, 10], [20, 30]], padding=(0, 0), rescale=Rescale(-1, 0))
    assert usual(shown) == VoiWindow(-20, 20, "LINEAR_EXACT", "whole range")
    assert displayed(shown).tolist() == [[1, 1], [0.5, 0]]
    assert displayed(film([[7, 7]])).tolist() == [[0.5, 0.5]]
    assert displayed(film([[7, 7]], padding=(7, 7))).shape == (1, 2)


def test_the_table_covers_every_stored_value() -> None:
    signed = Film(np.array([[-2048, 2047]], np.int16), film([[0]], vois=(VoiWindow(0, 4096),)).facts, "")
    low, table = grey_table(signed)
    assert (low, table.shape) == (-2048, (4096,))
    assert displayed(signed).tolist() == [[0, 1]]


def test_facts_survive_json() -> None:
    import json

    facts = film([[0]], vois=(VoiWindow(1, 2, "SIGMOID", "NORMAL"), Lut((1, 2), -3, 8)), padding=(0, 30)).facts
    assert facts_from(json.loads(json.dumps(facts_record(facts)))) == facts
    table = film([[0]], rescale=Lut((1, 2), 0, 8)).facts
    assert facts_from(json.loads(json.dumps(facts_record(table)))) == table


@pytest.mark.parametrize("name", ["notzaki_MG.dcm", pytest.param("462822612.dcm", marks=pytest.mark.slow)])
def test_real_films_look_as_highdicom_shows_them(shared_data: Path, name: str) -> None:
    highdicom = pytest.importorskip("highdicom")
    path = shared_data / "dicom" / name
    with Decoder() as decoder:
        ours = decoder.film(path)
    theirs = highdicom.imread(path).get_frame(1, apply_voi_transform=True, apply_presentation_lut=True)
    assert np.abs(displayed(ours) - theirs).max() <= GREY


def test_a_film_that_highdicom_refuses_looks_as_pydicom_shows_it(shared_data: Path) -> None:
    """JPEG Lossless, and tables of 12 bits."""
    pytest.importorskip("gdcm", reason="JPEG Lossless needs the extra [jpeg-lossless]")
    path = shared_data / "dicom" / "dcm01.DCM"
    found = pydicom.dcmread(path)
    with Decoder() as decoder:
        ours = decoder.film(path)
    assert np.array_equal(ours.stored, found.pixel_array)
    assert isinstance(ours.facts.vois[0], Lut)
    for window in (0, 1, 2):
        theirs = apply_voi(found.pixel_array, found, window) / 4095
        assert np.abs(displayed(ours, ours.facts.vois[window]) - theirs).max() <= GREY
        theirs = apply_windowing(found.pixel_array, found, window) / 4095
        assert np.abs(displayed(ours, ours.facts.vois[3 + window]) - theirs).max() <= GREY
