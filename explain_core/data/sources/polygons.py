"""Outlines and run lengths as masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from explain_core.data.annotation import Bits
from explain_core.errors import DataError


def fill(points: NDArray[np.float64], size: tuple[int, int]) -> Bits:
    """The pixels (h, w) whose centres an outline (n, 2) of x and y encloses, by the even-odd rule.

    Pixel centres are at whole numbers; the outline closes itself, and parts outside the picture are cut off.
    A centre on the outline counts on its left and upper side, so that neighbours never share one.
    """
    height, width = size
    filled = np.zeros(size, dtype=np.bool_)
    start, end = points, np.roll(points, -1, axis=0)
    # From top to bottom, so that an edge is crossed at the same place seen from either side.
    upwards = (start[:, 1] > end[:, 1])[:, None]
    (x0, y0), (x1, y1) = np.where(upwards, end, start).T, np.where(upwards, start, end).T
    first, last = np.ceil(points[:, 1].min()), np.floor(points[:, 1].max())
    columns = np.arange(width)
    for row in range(max(0, int(first)), min(height - 1, int(last)) + 1):
        crosses = (y0 <= row) != (y1 <= row)
        share = (row - y0[crosses]) / (y1[crosses] - y0[crosses])
        crossings = np.sort(x0[crosses] + share * (x1[crosses] - x0[crosses]))
        filled[row] = np.searchsorted(crossings, columns, side="right") % 2 == 1
    return filled


def runs(counts: Sequence[int], size: tuple[int, int]) -> Bits:
    """COCO's run lengths: down the columns, alternately outside and inside, outside first; raises DataError."""
    height, width = size
    if min(counts, default=0) < 0 or sum(counts) != height * width:
        raise DataError(f"Run lengths of {sum(counts)} pixels do not fill {width} × {height}; download the file again.")
    inside = np.arange(len(counts)) % 2 == 1
    filled: Bits = np.repeat(inside, counts).reshape(width, height).T
    return filled


def unpacked(text: str) -> list[int]:
    """The run lengths that COCO packs into a text; raises DataError.

    Each number is written in groups of five bits, the lowest first, offset by 48, with the sixth bit set
    where more follow and the last group's fifth bit as its sign; from the fourth on, numbers are
    differences from the one two places before.
    """
    counts: list[int] = []
    value, shift = 0, 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or shift > 60:
            raise DataError(f"Packed run lengths hold {character!r}, which cannot be; download the file again.")
        value |= (group & 0x1F) << shift
        shift += 5
        if group & 0x20:
            continue
        if group & 0x10:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value, shift = 0, 0
    if shift:
        raise DataError("Packed run lengths are cut off; download the file again.")
    return counts
