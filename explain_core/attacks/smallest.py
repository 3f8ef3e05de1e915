"""The smallest change after which a goal holds (Woods, Chen & Teuscher 2019, Algorithm 1, Eqs. 2 and 4).

While the goal does not hold, a row follows the gradient of the class's log-odds; while it holds, it walks
home.  The smallest change that met the goal is kept, scored on that very picture.  Goals:

    adv   the class is no longer the decision
    btr   the class is less probable than chance, s_t < 1/V ("better than random")

Step rules (N steps, momentum μ, unclipped change δ):

- triangular (the authors' code): both directions at unit RMSE, averaged with weight μ on the past, step n
  as long as size · 2(N − n) / (N(N + 1));
- paper: class gradient at RMSE 0.0099, home step 2δ, SGD with momentum μ and rate 0.01;
- smaller: both, and the smaller change of the two;
- fast: no Algorithm 1 but a stronger search at a fifth of its passes, `decoupled.py`.

Departures: the box [0, 1] acts on every iterate (`clip`; the authors' code leaves it, and so do their
figures); the class objective is the log-odds, which never saturates.  A row whose goal holds at the start
is done at once, with no change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import torch
from torch import Tensor

from explain_core.attacks.base import Attack, Attacked, Attacking
from explain_core.attacks.decoupled import SHARE, Tournament
from explain_core.attacks.goals import (
    Gap,
    Goal,
    above_chance,
    at_start,
    below_chance,
    fooled,
    lead,
    met,
    size,
    smallest_where,
)
from explain_core.descent.loop import Found, descend
from explain_core.descent.plan import Plan, itself
from explain_core.descent.projections import box, per_row, rms
from explain_core.descent.rules import Rule, average, chain, momentum, pull_back_when, ramp_down, scaled, unit_rms
from explain_core.descent.view import Rows, View
from explain_core.errors import ParamError
from explain_core.models.classifier import Classifier
from explain_core.params import Choice, Params, Range
from explain_core.types import Question

CITATION = "Woods, Chen & Teuscher, Adversarial Explanations, Nature Machine Intelligence 2019."
FAST = "fast"
ETA, RATE = 0.0099, 0.01  # η = 0.55 in L2 on CIFAR, as an RMSE; the learning rate


@dataclass(frozen=True)
class SmallestParams(Params):
    rule: Annotated[
        str,
        Choice(("triangular", "paper", "smaller", "fast")),
        "How to step: triangular is the authors' code, paper their Algorithm 1, smaller runs both; "
        "fast is a stronger search, whose figures are smaller.",
    ] = "triangular"
    steps: Annotated[int, Range(10, 2000, 10, unit="steps"), "Gradient steps; fast takes a fifth of their passes."] = (
        450
    )
    size: Annotated[float, Range(0.1, 100, log=True), "Triangular: the lengths of all steps together, as RMSE."] = 20.0
    momentum: Annotated[float, Range(0, 0.99, 0.01), "Weight of the past in each direction."] = 0.9
    clip: Annotated[bool, "Keep pixels in [0, 1]; the published figures were made without."] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rule == FAST and not self.clip:
            raise ParamError("rule = 'fast' keeps pixels in [0, 1]: leave clip=true, or take rule=triangular.")

    @property
    def search(self) -> str:
        """The search in words, to stand beside every figure that rests on it."""
        if self.rule == FAST:
            return "fast decoupled clipped"
        return f"algorithm-1 {self.rule} {'clipped' if self.clip else 'unclipped'}"


def run(goal: Goal, gap: Gap, model: Classifier, question: Question, params: SmallestParams) -> Attacking:
    """The question's ρ plays no part: the smallest change is looked for."""
    if params.rule == FAST:
        return (yield from Tournament(model, goal, gap, params.steps).run(question))
    rows = Rows(question.images, question.target)
    both = params.rule == "smaller"
    of = params.steps * (1 + both)
    found = yield from descend(model, search(goal, model, rows, params, "triangular" if both else params.rule), of=of)
    visited = found.traced.nan_to_num(0).amax(0)
    left = found.alive.nonzero()[:, 0]
    if both and len(left):
        plan = search(goal, model, rows.take(left), params, "paper")
        other = yield from descend(model, plan, offset=params.steps, of=of, labels=left)
        found = found.updated(left, smaller(goal, model, rows, found, left, other))
        visited[left] = torch.maximum(visited[left], other.traced.nan_to_num(0).amax(0))
    success = goal(model, found.logits, rows.target)
    return Attacked(found.image, success, found.first, found.logits, visited, found.passes)


def search(goal: Goal, model: Classifier, rows: Rows, params: SmallestParams, rule: str) -> Plan:
    """One run of Algorithm 1 over these rows."""
    holds = met(goal, model)
    return Plan(
        rows=rows,
        start=rows.x.clone(),
        loss=lambda view: model.log_odds(view.logits, view.rows.target),
        rule=RULES[rule](holds, params),
        steps=params.steps,
        project=(lambda z, _: box(z)) if params.clip else itself,
        score=smallest_where(holds),
        trace=size,
        stop=at_start(holds),
        resting=holds,
    )


def smaller(goal: Goal, model: Classifier, rows: Rows, found: Found, left: Tensor, other: Found) -> Found:
    """`other`, which ran on the rows `left`, with `found` in its place where that is no worse."""
    x, target = rows.x[left], rows.target[left]
    sizes = [
        rms(image - x).where(goal(model, logits, target), torch.inf)
        for image, logits in ((found.image[left], found.logits[left]), (other.image, other.logits))
    ]
    wins = sizes[1] < sizes[0]
    pairs = ((other.z, found.z), (other.image, found.image), (other.logits, found.logits), (other.loss, found.loss))
    z, image, logits, loss = (new.where(per_row(wins, new), old[left]) for new, old in pairs)
    return replace(other, z=z, image=image, logits=logits, loss=loss)


def triangular(goal: Callable[[View], Tensor], params: SmallestParams) -> Rule:
    length = ramp_down(lambda _: params.size, params.steps)
    return chain(pull_back_when(goal), unit_rms(), average(params.momentum), scaled(length))


def paper(goal: Callable[[View], Tensor], params: SmallestParams) -> Rule:
    return chain(
        unit_rms(), scaled(lambda _: ETA), pull_back_when(goal), momentum(params.momentum), scaled(lambda _: RATE)
    )


RULES: dict[str, Callable[[Callable[[View], Tensor], SmallestParams], Rule]] = {
    "triangular": triangular,
    "paper": paper,
}


def cost(params: SmallestParams) -> float:
    """A row whose goal holds at the start costs one pass only."""
    if params.rule == FAST:
        return params.steps * SHARE
    return (params.steps + 0.5) * (2 if params.rule == "smaller" else 1)


def _row(goal: Goal, gap: Gap, name: str, title: str, summary: str) -> Attack:
    return Attack(
        name=name,
        title=title,
        summary=summary,
        citation=CITATION,
        run=partial(run, goal, gap),
        params=SmallestParams,
        norm="l2",
        cost=cost,
        sensitive=True,  # measured: whether a row walks on or home turns on the last bit, hundreds of times
    )


ADV = _row(fooled, lead, "adv", "g_adv", "The smallest change after which another class is the decision.")
BTR = _row(
    below_chance,
    above_chance,
    "btr",
    "g_btr",
    "The smallest change after which the class is less probable than chance.",
)
