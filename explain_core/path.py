"""One picture along ρ: the grid, what became of the decision, and the curve that a method draws."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from explain_core.models.classifier import Kind
from explain_core.records import Answer, Floats

RHO_GRID = (1e-4, 5e-4, 2e-3, 5e-3, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.3)
"""The values of the slider, roughly logarithmic; RMS of the change, pixels in [0, 1]."""

INSIDE = 0.98
"""A method that used less than this share of ρ stayed inside the ball."""


@dataclass(frozen=True)
class Curve:
    """Probability of the target against ρ, ascending; `flips_at` is the smallest ρ at which the decision changes."""

    rho: tuple[float, ...]
    probability: tuple[float, ...]
    flips_at: float | None


def curve(answers: Iterable[Answer], kind: Kind) -> Curve:
    """Of the answers that have a ρ and a changed picture; the others do not lie on a curve."""
    points = [(rho, p, a) for a in answers if (rho := a.provenance.rho) is not None and (p := a.p_after) is not None]
    points.sort(key=lambda point: point[0])
    flipped = [rho for rho, _, answer in points if decision_changed(answer, kind)]
    return Curve(tuple(point[0] for point in points), tuple(point[1] for point in points), min(flipped, default=None))


def decision_changed(answer: Answer, kind: Kind) -> bool:
    """Another class leads; for `sigmoid`, the target crosses one half."""
    if answer.after is None:
        return False
    if kind == "sigmoid":
        target = answer.provenance.target
        return bool((answer.before[target] > 0.5) != (answer.after[target] > 0.5))
    return int(answer.before.argmax()) != int(answer.after.argmax())


def stayed_inside(answer: Answer) -> bool:
    """Whether the method was given a ρ and did not use it up."""
    rho, rmse = answer.provenance.rho, answer.rmse
    return rho is not None and rmse is not None and rmse < INSIDE * rho


def nearest(rho: float) -> float:
    """The value of the grid that lies nearest to ρ, by ratio; any number has one."""
    within = min(max(RHO_GRID[0], rho), RHO_GRID[-1])
    return min(RHO_GRID, key=lambda value: abs(math.log(value / within)))


def ranking(probabilities: Floats) -> list[int]:
    """Class indices, most probable first."""
    return [int(index) for index in np.argsort(-probabilities, kind="stable")]
