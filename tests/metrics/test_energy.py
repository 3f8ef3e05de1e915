"""Energy inside regions, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from explain_core.data.annotation import Annotation, Box, Region
from explain_core.data.window import Window
from explain_core.metrics.base import Case
from explain_core.metrics.energy import read


def case(*boxes: Box, size: tuple[int, int] = (8, 8), window: Window | None = None) -> Case:
    regions = tuple(Region("cat", box) for box in boxes)
    return Case("a", np.zeros((3, 8, 8), np.float32), 0, Annotation(size, regions), window)


def test_only_positive_values_count() -> None:
    saliency = np.zeros((8, 8), np.float32)
    saliency[0, 0], saliency[4, 4], saliency[7, 7] = 3, 1, -100
    reading = read(case(Box(0, 0, 1, 1)), saliency)
    assert reading.value == 0.75
    assert reading.numbers == {"area": 4 / 64}


def test_a_constant_map_reaches_the_area_and_overlaps_count_once() -> None:
    reading = read(case(Box(0, 0, 3, 7), Box(2, 0, 5, 7)), np.ones((8, 8), np.float32))
    assert reading.value == reading.numbers["area"] == 0.75


def test_in_the_pictures_own_frame() -> None:
    """The network saw the right half of 16 × 32 at half size; the left half holds nothing."""
    saliency = np.zeros((8, 8), np.float32)
    saliency[:, :4] = 1
    window = Window((16, 32), 0, 16, 16, 16)
    left, right = (
        read(case(box, size=(16, 32), window=window), saliency) for box in (Box(0, 0, 15, 15), Box(0, 16, 15, 23))
    )
    assert (left.value, left.numbers["area"]) == (0, 0)
    assert right.value == pytest.approx(1, abs=0.05)
    assert right.numbers["area"] == 0.5


def test_nowhere_positive() -> None:
    reading = read(case(Box(0, 0, 3, 3)), np.zeros((8, 8), np.float32))
    assert reading.value is None
    assert reading.note
