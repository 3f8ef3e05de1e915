"""What a reader gives: the regions of each film, in pixels of the film as it is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours

from explain_core.data.annotation import Bits
from explain_core.data.marked import LONGEST, Code, Marked
from explain_core.errors import DataError, InputError
from explain_core.shapes import MOST, Freehand, Shape

TOLERANCES = (0.0, 0.25, 0.5, 1.0, 2.0)
CODES = {
    "mass": Code("129788004", "SCT", "Mammographic breast mass"),
    "calcification": Code("309587003", "SCT", "Calcification of breast"),
    "cluster": Code("129769006", "SCT", "Calcification Cluster"),
    "distortion": Code("129792006", "SCT", "Architectural distortion of breast"),
    "asymmetry": Code("129790003", "SCT", "Asymmetric breast tissue"),
    "focal asymmetry": Code("129789007", "SCT", "Focal asymmetric breast tissue"),
}
"""Of findings that mean the same in a data set and in DICOM's CID 6054; what else a data set says stays a name."""


@dataclass(frozen=True)
class Marks:
    """One film's regions.

    `picture` is the data set's own name of the film, and `file` the film itself where the annotations lead to it;
    `size` (h, w) where they tell it.
    """

    picture: str
    regions: tuple[Marked, ...]
    size: tuple[int, int] | None = None
    file: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reader:
    """A data set's annotation files; `given` says which file is read, `tried` whether on the data set itself."""

    name: str
    title: str
    given: str
    tried: bool
    read: Callable[[Path], list[Marks]]


def marked(shape: Shape, name: str, kind: str) -> Marked:
    """A region called `name`, cut to what a name may be, with the code of `kind` where there is one."""
    return Marked(shape, " ".join(name.split())[:LONGEST], CODES.get(kind.strip().lower()))


@contextmanager
def in_data(where: str) -> Iterator[None]:
    """What is no shape, or no name, is the data set's fault, and says where."""
    try:
        yield
    except InputError as error:
        raise DataError(f"{where}: {error}") from None


def outlines(mask: Bits) -> tuple[list[Freehand], bool]:
    """An outline of each connected part (4 neighbours) of a mask (h, w), and whether holes were filled.

    The outline runs half-way between pixel centres inside and outside, so that it encloses just the same pixels,
    unless it has more corners than an outline may have and is simplified, by two pixels at most.
    """
    found, filled = [], False
    numbers = ndimage.label(mask)[0]
    for number, place in enumerate(ndimage.find_objects(numbers), 1):
        part = np.pad(numbers[place] == number, 1)
        whole = ndimage.binary_fill_holes(part)
        filled = filled or bool((whole != part).any())
        (border,) = find_contours(whole.astype(np.float32), 0.5)  # type: ignore[no-untyped-call]
        corners = _simple(border[:-1, ::-1] + (place[1].start - 0.5, place[0].start - 0.5))
        found.append(Freehand(tuple((float(x), float(y)) for x, y in corners)))
    return found, filled


def _simple(points: NDArray[np.float64]) -> NDArray[np.float64]:
    for tolerance in TOLERANCES:
        closed = np.concatenate([points, points[:1]])
        kept: NDArray[np.float64] = approximate_polygon(closed, tolerance)[:-1]  # type: ignore[no-untyped-call]
        if 3 <= len(kept) <= MOST:
            return kept
    raise DataError("A mask's outline has far more corners than a lesion's: is it a mask?")


def grouped(found: Sequence[tuple[str, tuple[int, int] | None, Sequence[Marked]]]) -> list[Marks]:
    """Regions of rows, by their film, in the order in which films come first."""
    films: dict[str, tuple[tuple[int, int] | None, list[Marked]]] = {}
    for picture, size, regions in found:
        films.setdefault(picture, (size, []))[1].extend(regions)
    return [Marks(picture, tuple(regions), size) for picture, (size, regions) in films.items()]
