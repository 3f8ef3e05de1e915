"""What people draw on a picture, checked where it comes in.  To add a shape: its row in SHAPES.

    {"ellipse": {"cx": 12.5, "cy": 30, "rx": 8, "ry": 5, "angle": 30}}
    {"box": {"left": 4, "top": 25, "right": 20.5, "bottom": 35}}
    {"freehand": {"points": [[4, 25], [20.5, 25], [12, 35]]}}

in pixels of the original picture as it is stored, from its upper left corner: pixel (row, column) covers column to
column + 1 and row to row + 1, so its centre is at + 0.5.  `angle` in degrees turns the first half-axis `rx` from the
x axis towards the y axis, which is clockwise to the eye.  A freehand outline closes itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, TypeGuard

from explain_core.errors import InputError, suggest

LARGEST, TURN = 100_000, 360
FEWEST, MOST = 3, 10_000
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Ellipse:
    """Centre and half-axes in pixels; the angle in degrees."""

    cx: float
    cy: float
    rx: float
    ry: float
    angle: float

    def __post_init__(self) -> None:
        _check_numbers("An ellipse", asdict(self))
        if min(self.rx, self.ry) <= 0 or abs(self.angle) > TURN:
            raise InputError(f"An ellipse of {self.rx} × {self.ry} at {self.angle}°: half-axes above 0, at most 360°.")

    def polygon(self, corners: int) -> Points:
        """Points (x, y) on the ellipse, at equal angles of its circle."""
        return [self._at(2 * math.pi * number / corners) for number in range(corners)]

    def axes(self) -> Points:
        """Both ends of the major axis, then both of the minor one, as (x, y)."""
        along, across = [self._at(0), self._at(math.pi)], [self._at(math.pi / 2), self._at(3 * math.pi / 2)]
        return [*along, *across] if self.rx >= self.ry else [*across, *along]

    def outline(self) -> Points:
        return self.polygon(128)

    def _at(self, angle: float) -> tuple[float, float]:
        turn = math.radians(self.angle)
        along, across = self.rx * math.cos(angle), self.ry * math.sin(angle)
        return (
            self.cx + along * math.cos(turn) - across * math.sin(turn),
            self.cy + along * math.sin(turn) + across * math.cos(turn),
        )


@dataclass(frozen=True)
class Box:
    """Its edges in pixels; its sides are those of the picture."""

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        _check_numbers("A box", asdict(self))
        if self.right <= self.left or self.bottom <= self.top:
            raise InputError(f"A box of {self.right - self.left} × {self.bottom - self.top} pixels: both above 0.")

    def outline(self) -> Points:
        return [(self.left, self.top), (self.right, self.top), (self.right, self.bottom), (self.left, self.bottom)]


@dataclass(frozen=True)
class Freehand:
    """Corners (x, y) of an outline, in the order drawn; what it crosses itself around counts by the even-odd rule."""

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not _is_list(self.points) or not FEWEST <= len(self.points) <= MOST:
            raise InputError(f"A freehand outline has {FEWEST} to {MOST} points: draw it anew.")
        for point in self.points:
            if not _is_list(point) or len(point) != 2:
                raise InputError("A freehand outline's points are pairs [x, y]: draw it anew.")
            _check_numbers("A freehand outline", dict(zip("xy", point, strict=True)))
        object.__setattr__(self, "points", tuple((x, y) for x, y in self.points))

    def outline(self) -> Points:
        return list(self.points)


Shape = Ellipse | Box | Freehand
SHAPES: Mapping[str, type[Shape]] = MappingProxyType({"ellipse": Ellipse, "box": Box, "freehand": Freehand})


def shape_of(record: Mapping[str, Any]) -> Shape:
    """The shape of a record with one key, as above; raises InputError for anything else."""
    if not isinstance(record, Mapping) or len(record) != 1:
        raise InputError(f"A region is one of {', '.join(SHAPES)}, by its name: draw it anew.")
    ((name, drawn),) = record.items()
    if name not in SHAPES:
        raise InputError(f"A region {str(name)[:40]!r}: {suggest(str(name), SHAPES)}")
    wanted = [one.name for one in fields(SHAPES[name])]
    if not isinstance(drawn, Mapping) or set(drawn) != set(wanted):
        raise InputError(f"A region's {name} has {', '.join(wanted)}, and nothing else: draw it anew.")
    return SHAPES[name](**drawn)


def shape_record(shape: Shape) -> dict[str, Any]:
    """The record of a shape, in plain values for JSON."""
    name = next(name for name, kind in SHAPES.items() if isinstance(shape, kind))
    drawn = {"points": [list(point) for point in shape.points]} if isinstance(shape, Freehand) else asdict(shape)
    return {name: drawn}


def _check_numbers(what: str, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not -LARGEST <= value <= LARGEST:
            raise InputError(f"{what}'s {name} is no number of at most {LARGEST}: draw it anew.")


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, (list, tuple))
