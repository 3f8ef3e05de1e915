"""Rasters: pictures of 16 bits with halvings of themselves, cut into tiles as a browser asks for them.

Level 0 is the picture itself, each next one half as high and wide, until one tile holds it.  A film's values are stored
values above the lowest one that is possible, so never negative; its smaller levels lie beside it:

    FILMS/<patient>/<exam>/<film>.levels     a line that says of which picture, then levels 1, 2, … row by row

They are mapped, not read, whenever a tile is asked for: a film that nobody looks at holds neither memory nor a file.
"""

from __future__ import annotations

import hashlib
import threading
from abc import ABC, abstractmethod
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explain_core.dicom.film import Stored
from explain_core.errors import InputError
from explain_core.export import write
from explain_core.films.record import Record
from explain_core.records import Floats

TILE = 512
STRIP = 256
"""Rows that are halved at once."""
TOP = (1 << 16) - 1
HEADER = 128
FORMAT = 1
Values = NDArray[np.uint16]
Range = tuple[int, int]
_MAKING = threading.Lock()  # one film at a time, which bounds the memory too


def sizes(size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Height and width of every level, the picture itself first.

    >>> sizes((2000, 1000))
    ((2000, 1000), (1000, 500), (500, 250))
    """
    made = [size]
    while max(made[-1]) > TILE:
        height, width = made[-1]
        made.append(((height + 1) // 2, (width + 1) // 2))
    return tuple(made)


class Raster(ABC):
    """A picture in levels.  `name` is the same for the same picture; `held` the memory that it takes, in bytes."""

    name: str
    size: tuple[int, int]
    held: int = 0

    @property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each."""
        return sizes(self.size)

    @abstractmethod
    def tile(self, level: int, row: int, column: int) -> bytes:
        """Up to TILE x TILE pixels, row by row, little-endian uint16.

        Raises LookupError where there is no such tile, DataError where the picture is gone.
        """

    def _cut(self, level: int, row: int, column: int) -> tuple[slice, slice]:
        if not 0 <= level < len(self.levels):
            raise LookupError(f"Level {level}: there are 0 to {len(self.levels) - 1}.")
        height, width = self.levels[level]
        if not (0 <= row * TILE < height and 0 <= column * TILE < width):
            raise LookupError(f"Tile {row}, {column}: level {level} has {height} × {width} pixels.")
        return slice(row * TILE, (row + 1) * TILE), slice(column * TILE, (column + 1) * TILE)


class FilmRaster(Raster):
    """A film of the workspace; padding stays padding in every level, and nothing else becomes padding."""

    def __init__(self, films: Path, record: Record) -> None:
        self.films, self.record, self.size = films, record, record.size
        bound = f"{record.sha256} {record.dtype} {record.facts.bits} {record.facts.padding}"
        self.name = hashlib.sha256(bound.encode()).hexdigest()

    def tile(self, level: int, row: int, column: int) -> bytes:
        """See Raster; makes the smaller levels where they are asked for and not there.  May raise OutputError."""
        where = self._cut(level, row, column)
        if level == 0:
            film = self.record.open(self.films)
            return _bytes(_above(film.stored[where], film.lowest))
        self.make()
        before = sum(height * width for height, width in self.levels[1:level])
        path = self.record.levels(self.films)
        return _bytes(np.memmap(path, "<u2", "r", HEADER + 2 * before, self.levels[level])[where])

    def make(self) -> None:
        """The smaller levels, once, whoever asks; raises DataError and OutputError."""
        path = self.record.levels(self.films)
        if self._made(path):
            return
        with _MAKING:
            if not self._made(path):
                film = self.record.open(self.films)
                padding = self.record.facts.padding
                above = padding and (padding[0] - film.lowest, padding[1] - film.lowest)
                made = (level.astype("<u2", copy=False).data for level in smaller(film.stored, film.lowest, above))
                write(path, b"".join((self._header, *made)))

    @property
    def _header(self) -> bytes:
        return f"rhoscope levels {FORMAT} {self.name}".ljust(HEADER - 1).encode() + b"\n"

    def _made(self, path: Path) -> bool:
        whole = HEADER + 2 * sum(height * width for height, width in self.levels[1:])
        try:
            with path.open("rb") as file:
                return file.read(HEADER) == self._header and path.stat().st_size == whole
        except OSError:
            return False


class MapRaster(Raster):
    """An explanation's map (h, w), 0 to 1, in a film's grid; 1 becomes 65535.  Raises InputError for other values."""

    def __init__(self, values: Floats) -> None:
        if values.ndim != 2 or not values.size or not (values.min() >= 0 and values.max() <= 1):
            raise InputError(f"A map of shape {values.shape}: it must be (h, w), of numbers between 0 and 1.")
        self.size = (values.shape[0], values.shape[1])
        whole = np.empty(self.size, np.uint16)
        for top in range(0, self.size[0], STRIP):
            whole[top : top + STRIP] = np.rint(values[top : top + STRIP] * np.float32(TOP))
        self._levels = (whole, *smaller(whole))
        self.held = sum(level.nbytes for level in self._levels)
        self.name = hashlib.sha256(_bytes(whole) + f"{self.size}".encode()).hexdigest()

    def tile(self, level: int, row: int, column: int) -> bytes:
        where = self._cut(level, row, column)
        return _bytes(self._levels[level][where])


def smaller(values: Stored, lowest: int = 0, padding: Range | None = None) -> tuple[Values, ...]:
    """Levels 1, 2, … of a picture (h, w); `padding` lowest and highest value that stand for nothing, above `lowest`."""
    made: list[Values] = []
    for before, size in pairwise(sizes((values.shape[0], values.shape[1]))):
        source, zero = (made[-1], 0) if made else (values, lowest)
        level = np.empty(size, np.uint16)
        for top in range(0, before[0], STRIP):
            level[top // 2 : (top + STRIP) // 2] = halved(_above(source[top : top + STRIP], zero), padding)
        made.append(level)
    return tuple(made)


def halved(values: Values, padding: Range | None = None) -> Values:
    """Means of 2 x 2 pixels (of fewer at odd edges), halves rounded up, without what is padding; h, w halved up."""
    odd = [(0, side % 2) for side in values.shape]
    whole = np.pad(values, odd, "edge") if any(after for _, after in odd) else values  # twice changes no mean
    means = ((_sums(whole) + 2) >> 2).astype(np.uint16)
    if padding is not None:
        _without(padding, whole, means)
    return means


def _without(padding: Range, whole: Values, means: Values) -> None:
    """Corrects the means where some of the four are padding; where all are, their mean is padding too."""
    low, high = padding
    nothing = (whole >= low) & (whole <= high)
    count = _sums(nothing)
    mixed = np.nonzero((count > 0) & (count < 4))
    there, total = 4 - count[mixed], np.zeros(len(mixed[0]), np.uint32)
    for corner in ((slice(down, None, 2), slice(right, None, 2)) for down in (0, 1) for right in (0, 1)):
        total += np.where(nothing[corner][mixed], 0, whole[corner][mixed])
    means[mixed] = (2 * total + there) // (2 * there)
    # A mean of what lies below the padding and of what lies above it would be taken for padding.
    fallen = (count < 4) & (means >= low) & (means <= high)
    if fallen.any():
        value = means[fallen].astype(np.int64)
        means[fallen] = np.where(value - low < high - value, low - 1, high + 1)


def _sums(whole: NDArray[np.uint16] | NDArray[np.bool_]) -> NDArray[np.uint32]:
    rows = np.add(whole[0::2], whole[1::2], dtype=np.uint32)
    return rows[:, 0::2] + rows[:, 1::2]


def _above(stored: Stored, lowest: int) -> Values:
    return stored.astype(np.uint16) - np.uint16(lowest & TOP) if lowest else stored.astype(np.uint16, copy=False)


def _bytes(values: Values) -> bytes:
    return values.astype("<u2", copy=False).tobytes()
