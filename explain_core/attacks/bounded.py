"""Attacks inside a ball: FGSM (Goodfellow et al. 2015) and PGD (Madry et al. 2018).

    fgsm       x̂ = clip(x − ε · sign(∇o))
    pgd-linf   x̂ ← clip(ball∞(x̂ − step · sign(∇o)))
    pgd-l2     x̂ ← ball₂(clip(x̂ − step · ∇o / RMS(∇o)))

o is the log-odds of the class, which falls where the cross-entropy rises but does not saturate.  ε bounds
the largest change of a pixel for L∞, the RMSE for L2; a question's ρ takes its place (a change of at most ρ
in every pixel has RMSE ≤ ρ).  A random start is drawn per row, evenly in the box |δ| ≤ ε for L∞ and in a
random direction at the ball's edge for L2 (where nearly all of a ball's volume is), from seed and key.

Departures: of all iterates the one with the lowest log-odds is returned, not the last (PGD); a row that is
wrong from the start is done at once, with no change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Literal

import torch
from torch import Tensor

from explain_core.attacks.base import Attack, Attacked, Attacking
from explain_core.attacks.goals import at_start, fooled, met, size
from explain_core.descent.loop import descend
from explain_core.descent.plan import Plan
from explain_core.descent.projections import into_ball, into_linf
from explain_core.descent.rules import Rule, chain, jump_first, scaled, signed, unit_rms
from explain_core.descent.view import Rows, View
from explain_core.models.classifier import Classifier
from explain_core.params import Params, Range, fingerprint
from explain_core.types import Images, PerRow, Question

EPS = Range(1e-5, 1, unit="(pixels in [0, 1])", log=True)
STEP = 2.5  # of ε, shared by all steps: as Madry et al. have it


@dataclass(frozen=True)
class FgsmParams(Params):
    eps: Annotated[float, EPS, "ε where there is no ρ; the Sparse paper's preset has 0.3."] = 0.03


@dataclass(frozen=True)
class PgdParams(Params):
    eps: Annotated[float, EPS, "ε where there is no ρ; the Sparse paper's preset has 0.3."] = 0.03
    step: Annotated[float | None, EPS, "Length of a step; auto is 2.5 ε / steps, the Sparse paper has 0.1."] = None
    steps: Annotated[int, Range(1, 1000, unit="steps"), "Gradient steps."] = 20
    random_start: Annotated[bool, "Begin at a random place in the ball instead of at the picture."] = False


@dataclass(frozen=True)
class Ball:
    """A norm: its steepest direction, its projection, and where a random start is drawn, for ε = 1."""

    direction: Callable[[], Rule]
    project: Callable[[Images, Images, PerRow], Images]
    draw: Callable[[Tensor], Tensor]


def _on_sphere(evenly: Tensor) -> Tensor:
    """A random direction of RMS 1, out of numbers in [0, 1)."""
    normal: Tensor = torch.special.ndtri(evenly.clamp(1e-12, 1 - 1e-12))
    return normal / normal.square().mean().sqrt()


LINF = Ball(signed, into_linf, lambda evenly: 2 * evenly - 1)
L2 = Ball(unit_rms, into_ball, _on_sphere)


def fgsm(model: Classifier, question: Question, params: FgsmParams) -> Attacking:
    rows = bounded(question, params.eps)
    return (yield from carried_out(model, plan(model, rows, LINF, chain(signed(), scaled(bound)), steps=1)))


def pgd(ball: Ball, model: Classifier, question: Question, params: PgdParams) -> Attacking:
    def length(view: View) -> PerRow | float:
        return bound(view) * (STEP / params.steps) if params.step is None else params.step

    rows = bounded(question, params.eps)
    rule = chain(ball.direction(), scaled(length))
    climb = replace(plan(model, rows, ball, rule, params.steps), score=lambda view: -view.loss)
    if params.random_start:
        climb = replace(
            climb,
            rows=rows.adding(jump=starts(question, ball) * bound(rows).view(-1, 1, 1, 1)),
            rule=chain(rule, jump_first("jump")),
            steps=params.steps + 1,
            resting=lambda view: torch.full_like(view.rows.target, view.step == 0, dtype=torch.bool),
        )
    return (yield from carried_out(model, climb))


def plan(model: Classifier, rows: Rows, ball: Ball, rule: Rule, steps: int) -> Plan:
    return Plan(
        rows=rows,
        start=rows.x.clone(),
        loss=lambda view: model.log_odds(view.logits, view.rows.target),
        rule=rule,
        steps=steps,
        project=lambda z, rows: ball.project(z, rows.x, bound(rows)),
        trace=size,
        stop=at_start(met(fooled, model)),
    )


def carried_out(model: Classifier, plan: Plan) -> Attacking:
    """The plan's picture, and whether the class is lost on it."""
    found = yield from descend(model, plan)
    success = fooled(model, found.logits, plan.rows.target)
    visited = found.traced.nan_to_num(0).amax(0)
    return Attacked(found.image, success, found.first, found.logits, visited, found.passes)


def bounded(question: Question, eps: float) -> Rows:
    """The question's rows, with ε in the place of a missing ρ."""
    rho = question.images.new_full((len(question.images),), eps) if question.rho is None else question.rho
    return Rows(question.images, question.target, rho)


def bound(of: Rows | View) -> PerRow:
    """ε of each row."""
    rows = of.rows if isinstance(of, View) else of
    if rows.rho is None:
        raise ValueError("rows of a bounded attack have a bound")
    return rows.rho


def starts(question: Question, ball: Ball) -> Tensor:
    """A draw for each row, the same whatever its neighbours are; for ε = 1."""
    keys = question.keys or tuple(map(str, range(len(question.images))))
    draws = []
    for key in keys:
        seed = int(fingerprint("start", question.seed, key)[:15], 16)
        generator = torch.Generator().manual_seed(seed)
        evenly = torch.rand(question.images.shape[1:], generator=generator, dtype=torch.float64)
        draws.append(ball.draw(evenly))
    return torch.stack(draws).to(question.images)


FGSM = Attack(
    name="fgsm",
    title="FGSM",
    summary="One step of ε in every pixel, against the class.",
    citation="Goodfellow, Shlens & Szegedy, Explaining and Harnessing Adversarial Examples, ICLR 2015.",
    run=fgsm,
    params=FgsmParams,
    norm="linf",
    cost=lambda _: 1.5,
    bounded=True,
)


def _pgd(ball: Ball, name: str, title: str, summary: str, norm: Literal["l2", "linf"]) -> Attack:
    return Attack(
        name=name,
        title=title,
        summary=summary,
        citation="Madry et al., Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018.",
        run=partial(pgd, ball),
        params=PgdParams,
        norm=norm,
        cost=lambda params: params.steps + 0.5 + 0.5 * params.random_start,
        bounded=True,
    )


PGD_LINF = _pgd(LINF, "pgd-linf", "PGD L∞", "Many steps against the class, no pixel changed by more than ε.", "linf")
PGD_L2 = _pgd(L2, "pgd-l2", "PGD L2", "Many steps against the class, the change's RMSE at most ε.", "l2")
