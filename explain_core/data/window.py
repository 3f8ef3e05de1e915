"""Which part of a picture a network saw, and how to bring its map back into the picture's own pixels."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from explain_core.records import Floats


@dataclass(frozen=True)
class Window:
    """The part of a picture of `size` (h, w) that was cut out and resized for the network; edges may be fractions.

    Coordinates are edges: the centre of the picture's first pixel lies at (0.5, 0.5), and a map (h', w') of what
    was seen covers the part evenly, its pixel (i, j) from top + i · height / h' to top + (i + 1) · height / h'.
    """

    size: tuple[int, int]
    top: float
    left: float
    height: float
    width: float

    def place(self, saliency: Floats, outside: float) -> Floats:
        """A map (h', w') of what the network saw, bilinear, in the picture's frame; `outside` where it saw nothing.

        Every pixel of the picture whose centre was seen has the value of exactly its place.
        """
        rows = _Side.of(self.top, self.height, self.size[0], saliency.shape[0])
        columns = _Side.of(self.left, self.width, self.size[1], saliency.shape[1])
        beyond = np.pad(saliency.astype(np.float32), (rows.pad, columns.pad), mode="edge")
        resized = Image.fromarray(np.ascontiguousarray(beyond)).resize(
            (columns.count, rows.count),
            Image.Resampling.BILINEAR,
            box=(columns.start, rows.start, columns.stop, rows.stop),
        )
        placed = np.full(self.size, outside, dtype=np.float32)
        placed[rows.there, columns.there] = np.asarray(resized)
        return placed

    def record(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Side:
    """One axis of a placement: pixels `first` and `count` after it, and which stretch of the padded map they show."""

    first: int
    count: int
    pad: tuple[int, int]
    start: float
    stop: float

    @property
    def there(self) -> slice:
        return slice(self.first, self.first + self.count)

    @classmethod
    def of(cls, start: float, length: float, size: int, cells: int) -> _Side:
        """For the stretch of a picture's side that was seen, and the cells of the map over it."""
        first = min(max(0, math.ceil(start - 0.5)), size - 1)
        count = max(1, min(math.ceil(start + length - 0.5), size) - first)
        scale = cells / length
        low, high = (first - start) * scale, (first + count - start) * scale
        pad = max(0, math.ceil(-low)), max(0, math.ceil(high - cells))
        return cls(first, count, pad, low + pad[0], min(high + pad[0], cells + sum(pad)))


def whole(size: tuple[int, int]) -> Window:
    """Everything was seen."""
    return Window(size, 0.0, 0.0, float(size[0]), float(size[1]))
