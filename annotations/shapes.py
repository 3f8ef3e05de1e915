"""What raters draw, checked where it comes in:

    {"ellipse": {"cx": 12.5, "cy": 30, "rx": 8, "ry": 5, "angle": 30}}

in pixels of the item's original picture, from its upper left corner; `angle` in degrees turns the first half-axis
`rx` from the x axis towards the y axis, which is clockwise to the eye.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from annotations.questions import Question
from explain_core.errors import InputError

LARGEST, TURN = 100_000, 360
FORM = '{"ellipse": {"cx": …, "cy": …, "rx": …, "ry": …, "angle": …}}, in pixels and degrees'


@dataclass(frozen=True)
class Ellipse:
    """Centre and half-axes in pixels; the angle in degrees."""

    cx: float
    cy: float
    rx: float
    ry: float
    angle: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not -LARGEST <= value <= LARGEST:
                raise InputError(f"An ellipse's {name} is no number of at most {LARGEST}: draw {FORM}.")
        if min(self.rx, self.ry) <= 0 or abs(self.angle) > TURN:
            raise InputError(f"An ellipse of {self.rx} × {self.ry} at {self.angle}°: half-axes above 0, at most 360°.")

    def polygon(self, corners: int) -> list[tuple[float, float]]:
        """Points (x, y) on the ellipse, at equal angles of its circle."""
        turn = math.radians(self.angle)
        found = []
        for number in range(corners):
            at = 2 * math.pi * number / corners
            along, across = self.rx * math.cos(at), self.ry * math.sin(at)
            found.append((
                self.cx + along * math.cos(turn) - across * math.sin(turn),
                self.cy + along * math.sin(turn) + across * math.cos(turn),
            ))  # fmt: skip
        return found


ELLIPSE = tuple(one.name for one in fields(Ellipse))


def ellipse_of(shapes: Mapping[str, Any]) -> Ellipse | None:
    """The ellipse that was drawn; raises InputError for anything else."""
    if not shapes:
        return None
    drawn = shapes.get("ellipse") if isinstance(shapes, Mapping) else None
    if len(shapes) > 1 or not isinstance(drawn, Mapping) or set(drawn) != set(ELLIPSE):
        raise InputError(f"What was drawn is no ellipse: give {FORM}.")
    return Ellipse(**drawn)


def ellipse_from(texts: Sequence[str]) -> dict[str, Any]:
    """An ellipse as it is sent, of five numbers as text; raises InputError where they are not that."""
    try:
        return {"ellipse": dict(zip(ELLIPSE, map(float, texts), strict=True))}
    except ValueError:
        raise InputError(f"An ellipse of {', '.join(texts)[:100]!r}: five numbers, {', '.join(ELLIPSE)}.") from None


def check_shapes(question: Question, shapes: Mapping[str, Any]) -> None:
    """Raises InputError for what cannot be drawn, or not at this question."""
    if shapes and not question.shapes:
        raise InputError(f"The question {question.name!r} lets nobody draw: send no shapes.")
    ellipse_of(shapes)
