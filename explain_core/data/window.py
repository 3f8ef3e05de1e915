"""Which part of a picture a network saw, and how to bring its map back into the picture's own pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from explain_core.records import Floats


@dataclass(frozen=True)
class Window:
    """The part of a picture of `size` (h, w) that was cut out and resized for the network; edges may be fractions."""

    size: tuple[int, int]
    top: float
    left: float
    height: float
    width: float

    def place(self, saliency: Floats, outside: float) -> Floats:
        """A map (h', w') of what the network saw, bilinear, in the picture's frame; `outside` where it saw nothing."""
        top, left = round(self.top), round(self.left)
        height = max(1, min(round(self.height), self.size[0] - top))
        width = max(1, min(round(self.width), self.size[1] - left))
        placed = np.full(self.size, outside, dtype=np.float32)
        resized = Image.fromarray(np.ascontiguousarray(saliency, dtype=np.float32)).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        placed[top : top + height, left : left + width] = np.asarray(resized)
        return placed


def whole(size: tuple[int, int]) -> Window:
    """Everything was seen."""
    return Window(size, 0.0, 0.0, float(size[0]), float(size[1]))
