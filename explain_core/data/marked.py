"""What somebody marked on a film, as it goes from hand to hand: a shape, a name and perhaps a code, in JSON.

    [{"ellipse": {"cx": 12.5, "cy": 30, "rx": 8, "ry": 5, "angle": 30}, "name": "mass",
      "code": {"value": "4147007", "scheme": "SCT", "meaning": "Mass"}}]

or a line for each film: {"film": "0123456789abcdef", "regions": [ … ]}.  Shapes are those of `explain_core/shapes.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain_core.data.annotation import Bits
from explain_core.data.sources.polygons import fill
from explain_core.errors import InputError
from explain_core.shapes import SHAPES, Box, Ellipse, Freehand, Points, Shape, shape_of, shape_record

LONGEST = 64
"""Of names and of codes' parts, as DICOM's short texts are."""
FORM = 'a list of {"ellipse"|"box"|"freehand": {…}, "name": "…"}'


@dataclass(frozen=True)
class Code:
    """A term of a coding scheme, such as 4147007, SCT, Mass."""

    value: str
    scheme: str
    meaning: str

    def __post_init__(self) -> None:
        for part in (self.value, self.scheme, self.meaning):
            if not _is_text(part) or not part.strip():
                raise InputError(f"A code has value, scheme and meaning, texts of at most {LONGEST} characters.")


@dataclass(frozen=True)
class Marked:
    """A shape in pixels of the stored grid, and what it is said to be."""

    shape: Shape
    name: str = ""
    code: Code | None = None

    def __post_init__(self) -> None:
        if not _is_text(self.name):
            raise InputError(f"A region's name is one line of at most {LONGEST} characters: shorten it.")

    @property
    def title(self) -> str:
        return self.name or (self.code.meaning if self.code else "region")


def marked_of(record: Mapping[str, Any]) -> Marked:
    """One region; raises InputError for anything that is none."""
    if not isinstance(record, Mapping) or not set(record) <= {*SHAPES, "name", "code", "id"}:
        raise InputError(f"What is marked is {FORM}.")
    drawn = {name: value for name, value in record.items() if name in SHAPES}
    code = record.get("code")
    if code is not None and (not isinstance(code, Mapping) or set(code) != {"value", "scheme", "meaning"}):
        raise InputError(f"A code has value, scheme and meaning, texts of at most {LONGEST} characters.")
    return Marked(shape_of(drawn), record.get("name", ""), Code(**code) if code else None)


def marked_record(marked: Marked) -> dict[str, Any]:
    """As plain values for JSON; what is empty is left out."""
    told = {"name": marked.name, "code": asdict(marked.code) if marked.code else None}
    return {**shape_record(marked.shape), **{name: value for name, value in told.items() if value}}


def read_marked(text: str, film: str = "", *, alone: bool = True) -> list[Marked]:
    """The regions of a JSON list, or of a film's lines in JSONL, of which there may be none.

    Raises InputError for anything else, and for a list that names no film where the film is not `alone`.
    """
    if not text.strip():
        raise InputError(f"The file of regions is empty; it is {FORM}.")
    try:
        found = json.loads(text)
    except RecursionError:
        raise InputError(f"The file of regions is nested too deep; it is {FORM}.") from None
    except ValueError:
        found = _lines(text)
    if isinstance(found, Mapping) and "regions" in found:
        found = [found]
    if isinstance(found, list) and found and all(isinstance(one, Mapping) and "regions" in one for one in found):
        found = [region for one in found if one.get("film", film) == film for region in _list(one["regions"])]
    elif found and not alone:
        raise InputError('The regions name no film, and there are several: write {"film": "…", "regions": […]} lines.')
    return [marked_of(record) for record in _list(found)]


def mask_of(shapes: Sequence[Shape], size: tuple[int, int]) -> Bits:
    """The pixels (h, w) whose centres lie in one of the shapes."""
    mask = np.zeros(size, np.bool_)
    for shape in shapes:
        match shape:
            case Box():
                rows, columns = _around(shape.top, shape.bottom), _around(shape.left, shape.right)
                mask[rows, columns] |= _box(shape, mask[rows, columns].shape, (rows.start, columns.start))
            case Ellipse():
                turn = math.radians(shape.angle)
                wide = math.hypot(shape.rx * math.cos(turn), shape.ry * math.sin(turn))
                tall = math.hypot(shape.rx * math.sin(turn), shape.ry * math.cos(turn))
                rows, columns = _around(shape.cy - tall, shape.cy + tall), _around(shape.cx - wide, shape.cx + wide)
                mask[rows, columns] |= _ellipse(shape, mask[rows, columns].shape, (rows.start, columns.start))
            case Freehand():
                mask |= fill(np.array(shape.points) - 0.5, size)
    return mask


def _around(low: float, high: float) -> slice:
    """The rows or columns that a stretch touches, and one more on either side."""
    return slice(max(0, math.floor(low) - 1), max(0, math.ceil(high) + 1))


def on_film(shape: Shape, size: tuple[int, int]) -> Points:
    """The outline of the part of a shape that lies on a film (h, w); raises InputError where there is none."""
    points = shape.outline()
    for axis, at, sign in ((0, 0, 1), (0, size[1], -1), (1, 0, 1), (1, size[0], -1)):
        points = _cut(points, axis, at, sign)
    if not points or min(max(p[axis] for p in points) - min(p[axis] for p in points) for axis in (0, 1)) <= 0:
        raise InputError(f"A region lies off the film of {size[1]} × {size[0]} pixels: was it drawn on another one?")
    return points


def inside(points: Points, size: tuple[int, int]) -> bool:
    """Whether all points lie on a film (h, w), its edges included."""
    return all(0 <= x <= size[1] and 0 <= y <= size[0] for x, y in points)


def _cut(points: Points, axis: int, at: float, sign: int) -> Points:
    """The part of a polygon on one side of a line (Sutherland & Hodgman, 1974)."""
    kept: Points = []
    for before, point in zip(points[-1:] + points[:-1], points, strict=True):
        was, now = (sign * (p[axis] - at) for p in (before, point))
        if (was < 0) != (now < 0):
            share = was / (was - now)
            crossing = [b + share * (p - b) for b, p in zip(before, point, strict=True)]
            crossing[axis] = at
            kept.append((crossing[0], crossing[1]))
        if now >= 0:
            kept.append(point)
    return kept


def _box(box: Box, size: tuple[int, ...], first: tuple[int, int]) -> Bits:
    """Of the part of a film whose upper left pixel is `first`."""
    y, x = _centres(size, first)
    covered: Bits = (y >= box.top) & (y < box.bottom) & (x >= box.left) & (x < box.right)
    return covered


def _ellipse(ellipse: Ellipse, size: tuple[int, ...], first: tuple[int, int]) -> Bits:
    turn = math.radians(ellipse.angle)
    y, x = _centres(size, first)
    y, x = y - ellipse.cy, x - ellipse.cx
    along, across = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    # without division, so that a pixel just on the edge counts where all numbers are whole
    covered: Bits = (along * ellipse.ry) ** 2 + (across * ellipse.rx) ** 2 <= (ellipse.rx * ellipse.ry) ** 2
    return covered


def _centres(size: tuple[int, ...], first: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any]]:
    return np.arange(size[0])[:, None] + (first[0] + 0.5), np.arange(size[1])[None] + (first[1] + 0.5)


def _lines(text: str) -> list[Any]:
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        raise InputError(f"The file of regions is no JSON; it is {FORM}.") from None


def _list(found: object) -> list[Any]:
    if not isinstance(found, list):
        raise InputError(f"The file of regions is {FORM}.")
    return found


def _is_text(part: object) -> bool:
    return isinstance(part, str) and len(part) <= LONGEST and (part.isprintable() and "\\" not in part)
