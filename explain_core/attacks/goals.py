"""When an attack has reached its end: goals on logits, per row."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from explain_core.descent.projections import rms
from explain_core.descent.view import View
from explain_core.models.classifier import Classifier
from explain_core.types import Flags, Labels, Logits, PerRow

Goal = Callable[[Classifier, Logits, Labels], Flags]
Gap = Callable[[Classifier, Logits, Labels], PerRow]
"""How far a goal is from being met, in logits; differentiable, and below 0 where it holds."""

NEVER = 2.0**20  # a score below every RMSE, exact in float32 for a million steps


def fooled(model: Classifier, logits: Logits, target: Labels) -> Flags:
    """The class is not the decision."""
    return model.margin(logits, target) < 0


def below_chance(model: Classifier, logits: Logits, target: Labels) -> Flags:
    """s_t < 1/V, written in the log-odds, which do not saturate; two classes at least."""
    return model.log_odds(logits, target) < -math.log(max(2, logits.shape[1]) - 1)


def lead(model: Classifier, logits: Logits, target: Labels) -> PerRow:
    """The gap of `fooled`."""
    return model.margin(logits, target)


def above_chance(model: Classifier, logits: Logits, target: Labels) -> PerRow:
    """The gap of `below_chance`."""
    return model.log_odds(logits, target) + math.log(max(2, logits.shape[1]) - 1)


def met(goal: Goal, model: Classifier) -> Callable[[View], Flags]:
    """Where the goal holds on the picture as it stands."""
    return lambda view: goal(model, view.logits.detach(), view.rows.target)


def once(holds: Callable[[View], Flags]) -> Callable[[View, Tensor], Flags]:
    """A stop for rows where it holds."""
    return lambda view, _: holds(view)


def at_start(holds: Callable[[View], Flags]) -> Callable[[View, Tensor], Flags]:
    """A stop for rows where it holds on the original."""

    def stop(view: View, _: Tensor) -> Flags:
        if view.step > 0:
            return torch.zeros_like(view.rows.target, dtype=torch.bool)
        return holds(view) & (size(view) == 0)

    return stop


def size(view: View) -> PerRow:
    """RMSE of the change so far."""
    return rms(view.z.detach() - view.rows.x)


def smallest_where(holds: Callable[[View], Flags]) -> Callable[[View], PerRow]:
    """A score: the smallest change for which it holds, or the last one tried where there is none."""
    return lambda view: torch.where(holds(view), -size(view), view.step - NEVER)
