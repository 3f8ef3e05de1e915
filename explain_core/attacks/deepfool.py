"""DeepFool (Moosavi-Dezfooli, Fawzi & Frossard 2016): step by step to the nearest border, as if it were straight.

With f_k − f_c and w_k = ∇(f_k − f_c) for the best k classes beside the class c, and l the nearest border,

    L2   l = argmin |f_l − f_c| / ‖w_l‖₂,   r = (|f_l − f_c| + 1e-4) / ‖w_l‖₂² · w_l
    L∞   l = argmin |f_l − f_c| / ‖w_l‖₁,   r = (|f_l − f_c| + 1e-4) / ‖w_l‖₁ · sign(w_l)

and x̂ = clip(x + (1 + overshoot) · Σ r), until the class is lost.  The overshoot acts on the accumulated
step: acting on each step while clipping, it stalls at the border.

Departures: the best classes are those of the present picture, not of the original.  A multi-label network
has one border, f_c = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import torch
from torch import Tensor

from explain_core.attacks.base import Attack, Attacking
from explain_core.attacks.bounded import carried_out
from explain_core.attacks.goals import fooled, met, once, size
from explain_core.descent.plan import Plan
from explain_core.descent.projections import box
from explain_core.descent.rules import State
from explain_core.descent.view import Rows, View
from explain_core.models.classifier import Classifier, others, pick
from explain_core.params import Params, Range
from explain_core.types import Labels, Logits, Question

BEYOND = 1e-4  # logits past the border
TINY = 1e-30

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Distances (n, k) of borders and steps (n, k, …) to them, from f_k − f_c (n, k) and w_k (n, k, …)."""


@dataclass(frozen=True)
class DeepFoolParams(Params):
    steps: Annotated[int, Range(1, 500, unit="steps"), "Steps at most; a row is done once its class is lost."] = 50
    overshoot: Annotated[float, Range(0, 1), "Goes this share further than the border."] = 0.02
    classes: Annotated[int, Range(2, 1000), "How many of the best classes are looked at, its own included."] = 10


@dataclass(frozen=True)
class NearestBorder:
    """The rule: adds the step to the nearest border to those before, and goes there with the overshoot."""

    step: Step
    overshoot: float

    def start(self, z: Tensor) -> State:
        return torch.zeros_like(z)

    def __call__(self, gradient: Tensor, state: State, view: View) -> tuple[Tensor, State]:
        distances, steps = self.step(view.loss, gradient)
        nearest = distances.argmin(1)
        total = state + steps[torch.arange(len(steps), device=steps.device), nearest]
        return view.z - (view.rows.x + (1 + self.overshoot) * total), total


def run(step: Step, model: Classifier, question: Question, params: DeepFoolParams) -> Attacking:
    """The question's ρ plays no part: the smallest change is looked for."""
    rows = Rows(question.images, question.target)
    plan = Plan(
        rows=rows,
        start=rows.x.clone(),
        loss=lambda view: borders(model, view.logits, view.rows.target, params.classes),
        rule=NearestBorder(step, params.overshoot),
        steps=params.steps,
        project=lambda z, _: box(z),
        trace=size,
        stop=once(met(fooled, model)),
    )
    return (yield from carried_out(model, plan))


def borders(model: Classifier, logits: Logits, target: Labels, classes: int) -> Tensor:
    """f_k − f_c (n, k) of the best classes beside the target; −f_c (n, 1) on a multi-label network."""
    own = pick(logits, target)[:, None]
    if model.kind == "sigmoid":
        return -own
    return others(logits, target).topk(min(classes, logits.shape[1]) - 1).values - own


def to_border_l2(gap: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    norm = slope.flatten(2).norm(dim=2).clamp_min(TINY)
    length = (gap.abs() + BEYOND) / norm
    return gap.abs() / norm, slope * spread(length / norm, slope)


def to_border_linf(gap: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    norm = slope.flatten(2).abs().sum(2).clamp_min(TINY)
    return gap.abs() / norm, slope.sign() * spread((gap.abs() + BEYOND) / norm, slope)


def spread(values: Tensor, like: Tensor) -> Tensor:
    """(n, k) shaped to broadcast over (n, k, …)."""
    return values.view(*values.shape, *[1] * (like.ndim - 2))


def cost(params: DeepFoolParams) -> float:
    """At most; few rows need more than five steps."""
    return params.steps * params.classes / 2 + 0.5


def _row(step: Step, name: str, title: str, summary: str, norm: Literal["l2", "linf"]) -> Attack:
    return Attack(
        name=name,
        title=title,
        summary=summary,
        citation="Moosavi-Dezfooli, Fawzi & Frossard, DeepFool, CVPR 2016.",
        run=partial(run, step),
        params=DeepFoolParams,
        norm=norm,
        cost=cost,
    )


L2 = _row(
    to_border_l2,
    "deepfool-l2",
    "DeepFool L2",
    "The step to the nearest class border, as if borders were straight.",
    "l2",
)
LINF = _row(
    to_border_linf, "deepfool-linf", "DeepFool L∞", "The same with the smallest largest change of a pixel.", "linf"
)
