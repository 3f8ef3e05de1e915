"""What `fit` cuts out, told as a Window: maps land where the network saw things."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain_core.data.images import Picture, fit, seen
from explain_core.data.window import Window, whole
from explain_core.models.classifier import InputSpec

SIDES = st.integers(2, 300)


def test_as_it_is() -> None:
    assert seen((30, 40), InputSpec(1)) == whole((30, 40))


def test_the_centre_of_a_resized_picture() -> None:
    window = seen((300, 512), InputSpec(3, (224, 224), 256))
    assert (window.top, window.height) == (300 * 16 / 256, 300 * 224 / 256)
    assert (window.left, window.width) == ((512 - 262.5) / 2, 262.5)


@given(SIDES, SIDES, SIDES, SIDES, st.one_of(st.none(), SIDES))
def test_it_lies_inside_and_has_the_inputs_shape(h: int, w: int, tall: int, wide: int, resize: int | None) -> None:
    window = seen((h, w), InputSpec(1, (tall, wide), resize))
    assert window.top >= 0
    assert window.left >= 0
    assert window.top + window.height <= h + 1e-6
    assert window.left + window.width <= w + 1e-6
    assert window.height * wide == pytest.approx(window.width * tall)


BLOB = 6.0
"""σ in pixels of the picture."""


@given(
    st.integers(150, 400), st.integers(150, 400), st.integers(40, 500), st.sampled_from([None, 1.1, 1.15]),
    st.floats(0.4, 0.6), st.floats(0.4, 0.6),
)  # fmt: skip
def test_a_lesion_stays_where_it_is(h: int, w: int, side: int, more: float | None, down: float, across: float) -> None:
    """Through a network's preprocessing and back, its centre is the same to a twentieth of a pixel."""
    centre = np.array([down * h, across * w])
    y, x = np.mgrid[:h, :w] + 0.5
    lesion = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * BLOB**2)).astype(np.float32)
    spec = InputSpec(1, (side, side), None if more is None else int(more * side))
    back = seen((h, w), spec).place(fit(Picture(lesion[None], ""), spec)[0], outside=0.0)
    found = np.array([(back * y).sum(), (back * x).sum()]) / back.sum()
    assert np.abs(found - centre).max() <= 0.05


def test_a_known_shift() -> None:
    """Three quarters of a pixel were cut off, and each cell covers one and a half: by hand."""
    window = Window((1, 6), 0.0, 0.75, 1.0, 4.5)
    placed = window.place(np.array([[0.0, 3.0, 6.0]], np.float32), outside=-9.0)
    centres = (np.arange(1, 5) + 0.5 - 0.75) / 1.5  # of pixels 1 to 4, in cells; a cell's own centre is at a half
    assert placed[0] == pytest.approx([-9, *(3 * (centres - 0.5).clip(0, 2)), -9], abs=1e-6)


@given(st.integers(40, 90), st.integers(40, 90), st.sampled_from([None, 32, 40]))
def test_what_was_seen_is_put_back_where_it_was(h: int, w: int, resize: int | None) -> None:
    """A ramp in y and x survives the way there and back, but for a pixel's width."""
    y, x = np.mgrid[:h, :w].astype(np.float32)
    spec = InputSpec(1, (32, 32), resize)
    window = seen((h, w), spec)
    for ramp in (y / 100, x / 100):
        back = window.place(fit(Picture(ramp[None], ""), spec)[0], outside=-1.0)
        inside = np.zeros((h, w), bool)
        inside[round(window.top) + 3 :, round(window.left) + 3 :] = True
        inside[int(window.top + window.height) - 3 :] = False
        inside[:, int(window.left + window.width) - 3 :] = False
        assert np.abs(back - ramp)[inside].max() <= 0.015
        assert (back[: max(0, int(window.top) - 1)] == -1).all()
