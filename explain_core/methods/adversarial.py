"""Adversarial explanations g_explain+ and g_explain− (Woods, Chen & Teuscher 2019, Algorithm 1, Eq. 3).

The change within RMSE ρ that most strengthens (or weakens) the chosen class.  Inside the ball each
row follows the gradient of the class's log-odds; outside it walks home.  Step rules:

- triangular (the authors' code): both directions at unit RMSE, step n of N as long as
  5ρ · 2(N − n) / (N(N + 1));
- paper: class gradient at RMSE 0.0099 (η = 0.55 in L2 on CIFAR), home step 2δ, both times 0.01,
  momentum 0.9, 450 steps;
- projected: triangular lengths, each followed by box and ball, no walk home.

Departures: the box acts on every iterate (the code does not clip); the class objective is the
log-odds, which never saturates; every iterate is a candidate: projected into the ball, scored
there, the best is kept.  A row outside the ball needs no gradient, so its pass scores the
projected candidate instead, and N steps cost N passes.
Saliency: per-pixel RMS of the change over channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from torch import Tensor

from explain_core.descent.loop import descend
from explain_core.descent.plan import Plan
from explain_core.descent.projections import SHRINK, box, into_ball, rms, shrunk
from explain_core.descent.rules import Rule, chain, momentum, pull_back_when, ramp_down, scaled, unit_rms
from explain_core.descent.view import Rows, View
from explain_core.methods.base import Method
from explain_core.methods.outcomes import decision, reach, still
from explain_core.models.classifier import Classifier
from explain_core.params import Choice, Params, Range
from explain_core.types import Explanation, Images, PerRow, Question, Working

DEFAULT_RHO = 0.05
STEPS = {"triangular": 35, "projected": 35, "paper": 450}
ETA, RATE, DECAY = 0.0099, 0.01, 0.9


@dataclass(frozen=True)
class AdversarialParams(Params):
    rule: Annotated[
        str,
        Choice(("triangular", "projected", "paper")),
        "How to step: triangular is the authors' code, paper their Algorithm 1, projected goes furthest.",
    ] = "triangular"
    steps: Annotated[
        int | None, Range(5, 1000, 5, unit="steps"), "Gradient steps; auto is 35, or 450 with the paper's rule."
    ] = None

    @property
    def count(self) -> int:
        return self.steps or STEPS[self.rule]


def run(sign: int, model: Classifier, question: Question, params: AdversarialParams) -> Working:
    """`sign` +1 strengthens the target, −1 weakens it."""
    rows = Rows(question.images, question.target, bounds(question))
    found = yield from descend(model, plan(sign, model, rows, params))
    change = found.image - rows.x
    told = zip(
        still(change),
        reach(rms(change), rows.rho),
        decision(model, rows.target, found.first, found.logits),
        strict=True,
    )
    return Explanation(
        saliency=change.square().mean(1).sqrt(),
        before=found.first,
        after=found.logits,
        perturbed=found.image,
        outcomes=tuple(
            "No step improved on the picture itself: the class does not react here." if unmoved else f"{used} {fell}"
            for unmoved, used, fell in told
        ),
        passes=found.passes,
        trace={"log-odds": -sign * found.traced},
    )


def plan(sign: int, model: Classifier, rows: Rows, params: AdversarialParams) -> Plan:
    """The optimisation of one direction, by one of the three rules."""
    projected = params.rule == "projected"

    return Plan(
        rows=rows,
        start=rows.x.clone(),
        loss=lambda view: -sign * model.log_odds(view.logits, view.rows.target),
        rule=RULES[params.rule](params.count),
        steps=params.count,
        compose=lambda z, rows: shrunk(z, rows.x, _rho(rows)),
        project=within if projected else lambda z, _: box(z),
        score=lambda view: -view.loss,
        resting=None if projected else outside,
    )


def bounds(question: Question) -> PerRow:
    """ρ of every row; this method always has one."""
    if question.rho is not None:
        return question.rho
    return question.images.new_full((len(question.images),), DEFAULT_RHO)


def within(z: Images, rows: Rows) -> Images:
    return into_ball(z, rows.x, _rho(rows))


def outside(view: View) -> Tensor:
    """The goal of Eq. 3: RMSE(δ) > ρ, as far as float32 can tell."""
    return rms(view.z.detach() - view.rows.x) > _rho(view.rows) * SHRINK


def _rho(rows: Rows) -> PerRow:
    return rows.rho if rows.rho is not None else rows.x.new_full((len(rows),), DEFAULT_RHO)


def _five_rho(view: View) -> PerRow:
    return 5 * _rho(view.rows)


def triangular(steps: int) -> Rule:
    return chain(pull_back_when(outside), unit_rms(), scaled(ramp_down(_five_rho, steps)))


def projected(steps: int) -> Rule:
    return chain(unit_rms(), scaled(ramp_down(_five_rho, steps)))


def paper(_: int) -> Rule:
    return chain(unit_rms(), scaled(lambda _: ETA), pull_back_when(outside), momentum(DECAY), scaled(lambda _: RATE))


RULES: dict[str, Callable[[int], Rule]] = {"triangular": triangular, "projected": projected, "paper": paper}


def cost(params: AdversarialParams) -> float:
    return params.count + 0.5


def _row(sign: int, name: str, title: str, summary: str) -> Method:
    return Method(
        name=name,
        title=title,
        summary=summary,
        citation="Woods, Chen & Teuscher, Adversarial Explanations, Nature Machine Intelligence 2019.",
        run=partial(run, sign),
        params=AdversarialParams,
        rho="always",
        default_rho=DEFAULT_RHO,
        cost=cost,
        sensitive=sign < 0,  # measured: a weakened class leaves a nearly flat landscape with many equal candidates
        limits="Tells most on networks trained to be robust; on others it may look like noise.",
        prepared=True,
    )


EXPLAIN_PLUS = _row(
    +1, "explain-plus", "g_explain+", "The change within ρ that most strengthens the class: what is it looking for?"
)
EXPLAIN_MINUS = _row(
    -1, "explain-minus", "g_explain−", "The change within ρ that most weakens the class: what does it rest on?"
)
