"""A map beside what is marked: brought into the frame of the picture as it was read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from explain_core.data.annotation import Annotation, Bits
from explain_core.data.window import Window, whole
from explain_core.metrics.base import Case
from explain_core.records import Floats


def marked(case: Case) -> Annotation:
    """The case's regions; a metric that needs regions is given only cases that have some."""
    if case.annotation is None:
        raise ValueError(f"case {case.name} has no annotation")
    return case.annotation


def window_of(case: Case) -> Window:
    """What the network saw of the picture; all of it where nothing else is told."""
    return case.window or whole(marked(case).size)


def blurred(saliency: Floats, sigma: float) -> Floats:
    """Gaussian, σ in pixels, half-width 4σ, edges repeated; σ = 0 is identity."""
    found: Floats = ndimage.gaussian_filter(saliency, sigma, mode="nearest", truncate=4.0) if sigma else saliency
    return found


def sampled_alike(case: Case, mask: Bits) -> tuple[NDArray[np.int32], Bits]:
    """A mask's connected components (numbers, 8 neighbours) and the marked regions, on one grid over the window.

    The grid is as fine as the finer of the two, so that no pixel of either is missed.
    """
    window, regions = window_of(case), marked(case).mask()
    numbers, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    rows = _grid(window.top, window.height, regions.shape[0], mask.shape[0])
    columns = _grid(window.left, window.width, regions.shape[1], mask.shape[1])
    return numbers[np.ix_(rows[0], columns[0])], regions[np.ix_(rows[1], columns[1])]


def _grid(start: float, length: float, of: int, seen: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices along one side of what was seen (`seen` pixels), and of the picture (`of` pixels)."""
    count = max(seen, int(np.ceil(length)))
    middles = (np.arange(count) + 0.5) / count
    inside = np.clip((start + middles * length).astype(np.int64), 0, of - 1)
    return (middles * seen).astype(np.int64), inside
