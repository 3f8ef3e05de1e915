"""What a network sees of a film, and what comes back: places and greys known by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explain_core.dicom.film import Facts, Film, Lut, Rescale, VoiWindow
from explain_core.films.network import handling, largest_change, sight
from explain_core.models.classifier import InputSpec

ANY = InputSpec(1)
FACTS = Facts(12, "MONOCHROME2", inverse=False, rescale=Rescale(), vois=(VoiWindow(1000, 500, "LINEAR_EXACT"),))


def film(facts: Facts = FACTS, side: str = "left", size: tuple[int, int] = (300, 200)) -> Film:
    """A breast at one edge, and a lesion of one pixel's σ 6 with its centre at (120.5, 60.5) from that edge."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    grey = 1000.0 * (x < 80) + 3000 * np.exp(-((y - 120.5) ** 2 + (x - 60.5) ** 2) / 72)
    stored = np.rint(grey).astype(np.uint16)
    return Film(stored[:, ::-1].copy() if side == "right" else stored, facts, "0" * 64)


def test_as_stored_nothing_is_lost() -> None:
    made = film()
    found = sight(made, ANY)
    assert np.array_equal(np.rint(found.pixels[0] * 4095).astype(int), made.stored)
    assert np.array_equal(found.place(found.pixels[0]), found.pixels[0])
    assert found.notes == ("seen: 200 × 300 pixels", "stored values of 12 bits")


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_lesion_comes_back_to_its_pixel_mirrored_and_resized(side: str) -> None:
    """The network's own picture, given back as a map, has its lesion where the film has it."""
    made = film(side=side)
    found = sight(made, InputSpec(1, (131, 97), 140, views="chest wall left"))
    assert found.mirrored == (side == "right")
    assert found.pixels.shape == (1, 131, 97)
    back = found.place(found.pixels[0])
    lesion = np.where(back * 4095 > 1500, back, 0)
    y, x = np.mgrid[:300, :200] + 0.5
    centre = (lesion * y).sum() / lesion.sum(), (lesion * x).sum() / lesion.sum()
    assert centre == pytest.approx((120.5, 60.5 if side == "left" else 139.5), abs=0.1)
    assert found.record()["mirrored"] == found.mirrored
    assert ("mirrored for the network: its chest wall is on the right" in found.notes) == found.mirrored


def test_the_first_window() -> None:
    """Centre 1000, width 500: 0 up to 750, 1 from 1250 on; inverse films the other way round."""
    stored = np.array([[700, 750, 1000, 1125, 1250, 4000]] * 2, np.uint16)
    windowed = InputSpec(1, greys="first window")
    made = Film(stored, FACTS, "")
    assert sight(made, windowed).pixels[0, 0] == pytest.approx([0, 0, 0.5, 0.75, 1, 1])
    inverse = replace(made, facts=replace(FACTS, photometric="MONOCHROME1", inverse=True))
    assert sight(inverse, windowed).pixels[0, 0] == pytest.approx([1, 1, 0.5, 0.25, 0, 0])
    assert "centre 1000, width 500" in sight(made, windowed).notes[-1]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_change_in_grey_levels_of_the_window(photometric: str) -> None:
    """10 stored values are 10/500 of the window, 5.1 levels; outside of the window 80 values are none."""
    made = film(replace(FACTS, photometric=photometric, inverse=photometric == "MONOCHROME1"))
    before = np.zeros((1, 2, 2), np.float32)
    before[0, 0, 0] = 1000 / 4095 if photometric == "MONOCHROME2" else 1 - 1000 / 4095
    after = before.copy()
    after[0, 0, 0] += 10 / 4095
    after[0, 1, 1] += 80 / 4095
    found = largest_change(made, ANY, before, after)
    assert (found.stored, found.greys) == pytest.approx((80, 255 * 10 / 500), abs=0.01)
    assert str(found) == "At most 80 stored values, 5.1 of 255 grey levels in this window (centre 1000, width 500)"
    narrow = largest_change(made, ANY, before, after, VoiWindow(1000, 40, "LINEAR_EXACT", "narrow"))
    assert narrow.greys == pytest.approx(255 * 10 / 40, abs=0.05)
    assert "narrow, centre 1000, width 40" in str(narrow)


def test_nothing_changed_and_a_table() -> None:
    made = film(replace(FACTS, vois=(Lut((0, 255), 0, 8),)))
    pixels = np.full((1, 2, 2), 0.0, np.float32)
    found = largest_change(made, ANY, pixels, pixels)
    assert (found.stored, found.greys) == (0, 0)
    assert str(found) == "At most 0 stored values, 0 of 255 grey levels in this window (a table of the film's own)"
    whole = largest_change(made, ANY, pixels, pixels + 1)
    assert (whole.stored, whole.greys) == (4095, 255)


def test_of_a_windowed_picture_the_stored_values_are_not_known() -> None:
    pixels = np.full((1, 2, 2), 0.25, np.float32)
    found = largest_change(film(), InputSpec(1, greys="first window"), pixels, pixels + 0.5)
    assert (found.stored, found.greys) == (None, 127.5)
    assert "in the window that the network saw" in str(found)


def test_what_a_model_says_of_its_input() -> None:
    own = handling(InputSpec(1, smallest=32))
    assert own[0] == "Takes films of any size from 32 × 32 pixels, at their own resolution."
    assert own[1] == "One view at a time, turned as stored."
    told = handling(InputSpec(3, (896, 768), 1000, views="chest wall left", greys="first window"))
    assert told[0].startswith("Takes 768 × 896 pixels: the middle of the film, resized, as if its short side had been")
    assert "mirrored so that the chest wall is on the left" in told[1]
    assert "first window" in told[2]
