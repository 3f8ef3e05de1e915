"""Overlap of a map and what was drawn, on maps whose figures can be counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explain_core.errors import InputError
from explain_core.films.overlap import overlap, strongest
from explain_core.shapes import Box, Ellipse

DRAWN = Box(10, 20, 20, 40)
"""10 × 20 pixels of a film of 50 × 60 (w × h)."""


def field(box: Box | None = None, value: float = 1.0) -> np.ndarray:
    made = np.zeros((60, 50), np.float32)
    if box:
        made[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = value
    return made


def test_a_map_on_the_region_is_all_inside() -> None:
    found = overlap(field(DRAWN), [DRAWN])
    assert (found.iou, found.energy, found.hit, found.hit_rate) == (1, 1, True, 1)
    assert found.area == pytest.approx(200 / 3000)


def test_half_of_it_beside() -> None:
    """Moved by 5 of 10 columns: 100 pixels together, 300 in all; half the energy."""
    found = overlap(field(Box(15, 20, 25, 40)), [DRAWN])
    assert found.iou == pytest.approx(100 / 300)
    assert found.energy == pytest.approx(0.5)
    assert found.hit


def test_two_spots_of_which_one_touches() -> None:
    """The wrong spot is the stronger."""
    values = field(Box(12, 22, 14, 24)) + field(Box(40, 50, 42, 52), 3.0)
    found = overlap(values, [DRAWN])
    assert (found.hit, found.hit_rate) == (False, 0.5)
    assert found.energy == pytest.approx(4 / 16)
    assert found.iou == pytest.approx(4 / 204)


def test_a_constant_map_reaches_the_area_alone() -> None:
    found = overlap(np.ones((60, 50), np.float32), [DRAWN])
    assert found.energy == pytest.approx(found.area)
    assert found.iou == pytest.approx(found.area)


def test_a_map_that_is_nowhere_positive_has_no_figure() -> None:
    found = overlap(field() - 1, [DRAWN])
    assert (found.iou, found.energy, found.hit, found.hit_rate) == (None, None, None, None)


def test_the_methods_own_mask_goes_before() -> None:
    mask = field(Box(10, 20, 20, 30)) > 0
    found = overlap(field(Box(0, 0, 5, 5)), [DRAWN], mask)
    assert (found.iou, found.hit_rate, found.hit) == (0.5, 1, False)


@pytest.mark.parametrize(
    ("values", "shapes", "why"),
    [
        (np.full((60, 50), np.nan), [DRAWN], "no numbers"),
        (np.ones((60, 50)), [Box(60, 0, 70, 10)], "no pixel"),
        (np.ones((60, 50)), [], "no pixel"),
    ],
)
def test_what_cannot_be_compared_is_refused(values: np.ndarray, shapes: list[Box], why: str) -> None:
    with pytest.raises(InputError, match=why):
        overlap(values.astype(np.float32), shapes)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1, 40), st.floats(1, 50), st.floats(1, 20), st.floats(1, 20))
def test_figures_lie_between_none_and_all(seed: int, cx: float, cy: float, rx: float, ry: float) -> None:
    values = np.random.default_rng(seed).normal(size=(60, 50)).astype(np.float32)
    found = overlap(values, [Ellipse(cx, cy, rx, ry, 0)])
    assert all(0 <= value <= 1 for value in (found.iou, found.energy, found.hit_rate) if value is not None)
    assert strongest(values, 7).sum() == 7
