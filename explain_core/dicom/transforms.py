"""From stored values to greys, as PS3.3 C.11 writes it: modality, value of interest, presentation.

Every step looks at one pixel by itself, so a film is shown by a table with an entry per stored value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain_core.dicom.film import Film, Lut, Rescale, Voi, VoiWindow
from explain_core.records import Floats

Values = NDArray[np.float64]


def modality(stored: NDArray[Any], rescale: Rescale | Lut) -> Values:
    """Modality values of stored ones, any shape; PS3.3 C.11.1."""
    if isinstance(rescale, Lut):
        return _looked_up(stored, rescale)
    return np.asarray(stored, np.float64) * rescale.slope + rescale.intercept


def voi(values: NDArray[Any], chosen: Voi) -> Values:
    """Greys in [0, 1] of modality values, any shape; PS3.3 C.11.2."""
    if isinstance(chosen, Lut):
        return _looked_up(values, chosen) / ((1 << chosen.bits) - 1)
    x, center, width = np.asarray(values, np.float64), chosen.center, chosen.width
    if chosen.function == "SIGMOID":
        with np.errstate(over="ignore"):  # far below the window exp is infinite, and the grey 0
            return np.asarray(1 / (1 + np.exp(-4 * (x - center) / width)))
    if chosen.function == "LINEAR_EXACT":
        return np.asarray(((x - center) / width + 0.5).clip(0, 1))
    if width <= 1:
        return np.asarray(x > center - 0.5, np.float64)
    return np.asarray(((x - (center - 0.5)) / (width - 1) + 0.5).clip(0, 1))


def grey_table(film: Film, chosen: Voi | None = None) -> tuple[int, Floats]:
    """The lowest stored value that is possible, and the grey in [0, 1] of it and of each one above; 1 is white."""
    levels = np.arange(film.lowest, film.lowest + (1 << film.facts.bits))
    greys = voi(modality(levels, film.facts.rescale), chosen or usual(film))
    return film.lowest, (1 - greys if film.facts.inverse else greys).astype(np.float32)


def displayed(film: Film, chosen: Voi | None = None) -> Floats:
    """Greys (h, w) in [0, 1] for a display, 1 white; without a choice by `usual`."""
    low, table = grey_table(film, chosen)
    return table[film.stored.astype(np.int32) - low]


def usual(film: Film) -> Voi:
    """The file's first choice, or else a window over all that is no padding."""
    if film.facts.vois:
        return film.facts.vois[0]
    there = film.stored[~film.padded()]
    ends = modality(np.array([there.min(), there.max()] if there.size else [0, 1]), film.facts.rescale)
    low, high = sorted(float(end) for end in ends)
    return VoiWindow((low + high) / 2, max(high - low, 1.0), "LINEAR_EXACT", "whole range")


def _looked_up(values: NDArray[Any], table: Lut) -> Values:
    data = np.asarray(table.data, np.float64)
    place = np.rint(np.asarray(values, np.float64) - table.first).clip(0, len(data) - 1)
    return np.asarray(data[place.astype(np.int64)])
