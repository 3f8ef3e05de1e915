"""What raters of a campaign draw: one ellipse, as `explain_core/shapes.py` has it, in pixels of the item's picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from annotations.questions import Question
from explain_core.errors import InputError
from explain_core.shapes import Ellipse

FORM = '{"ellipse": {"cx": …, "cy": …, "rx": …, "ry": …, "angle": …}}, in pixels and degrees'
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
