"""What people marked in a picture: boxes, circles and masks, as one type.

Everything is in the pixel frame of the picture as it was read: y downwards, x to the right, pixel
centres at whole numbers, so a box from 0 to 9 covers ten pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Box:
    """A rectangle, all four edges included."""

    top: float
    left: float
    bottom: float
    right: float


@dataclass(frozen=True)
class Circle:
    """A disc, its edge included."""

    y: float
    x: float
    radius: float


@dataclass(frozen=True, eq=False)
class Region:
    """One marked object: `name` of its class, and a box, a circle or a mask (h, w) of the whole picture.

    `difficult` as VOC flags it.
    """

    name: str
    shape: Box | Circle | Bits
    difficult: bool = False

    def mask(self, size: tuple[int, int]) -> Bits:
        """Its pixels in a picture of `size` (h, w)."""
        if isinstance(self.shape, np.ndarray):
            return self.shape
        y, x = np.ogrid[: size[0], : size[1]]
        shape = self.shape
        if isinstance(shape, Circle):
            inside: Bits = (y - shape.y) ** 2 + (x - shape.x) ** 2 <= shape.radius**2
            return inside
        inside = (y >= shape.top) & (y <= shape.bottom) & (x >= shape.left) & (x <= shape.right)
        return inside

    @property
    def box(self) -> Box:
        """The tightest box around it."""
        shape = self.shape
        if isinstance(shape, Box):
            return shape
        if isinstance(shape, Circle):
            return Box(shape.y - shape.radius, shape.x - shape.radius, shape.y + shape.radius, shape.x + shape.radius)
        rows, columns = np.flatnonzero(shape.any(1)), np.flatnonzero(shape.any(0))
        return Box(float(rows[0]), float(columns[0]), float(rows[-1]), float(columns[-1]))


@dataclass(frozen=True, eq=False)
class Annotation:
    """All that is marked in one picture of `size` (h, w)."""

    size: tuple[int, int]
    regions: tuple[Region, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The classes present, each once, in order."""
        return tuple(dict.fromkeys(region.name for region in self.regions))

    def of(self, name: str) -> Annotation:
        """The regions of one class."""
        return Annotation(self.size, tuple(region for region in self.regions if region.name == name))

    def mask(self) -> Bits:
        """The union (h, w) of all regions."""
        return union((region.mask(self.size) for region in self.regions), self.size)


def union(masks: Iterable[Bits], size: tuple[int, int]) -> Bits:
    covered = np.zeros(size, dtype=np.bool_)
    for mask in masks:
        covered |= mask
    return covered
