"""The smallest change that makes the network sure of a wrong class (Woods, Chen & Teuscher 2019, §III-H).

The goal: the best wrong class j leads every other class by more than `margin` in probability.  Two phases,
each with the steps of `adv`: the class's log-odds fall until another class j is the decision; then j stays
fixed and y_j − max_{q≠j} y_q climbs, walking home wherever the goal holds (Algorithm 1).  Falling log-odds
alone can stall between two wrong classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import torch

from explain_core.attacks.base import Attack, Attacked, Attacking
from explain_core.attacks.goals import Goal, fooled, met, once
from explain_core.attacks.smallest import CITATION, SmallestParams, search
from explain_core.descent.loop import descend
from explain_core.descent.view import Rows
from explain_core.errors import CannotExplain
from explain_core.models.classifier import Classifier, others
from explain_core.params import Choice, Range
from explain_core.types import Flags, Labels, Logits, Question


@dataclass(frozen=True)
class ConfidentParams(SmallestParams):
    rule: Annotated[
        str, Choice(("triangular", "paper")), "How to step: triangular is the authors' code, paper their Algorithm 1."
    ] = "triangular"
    margin: Annotated[float, Range(0, 0.99, 0.01), "How far the wrong class must lead, in probability."] = 0.5


def sure(margin: float) -> Goal:
    """A class other than the target leads all others by more than `margin` in probability."""

    def goal(model: Classifier, logits: Logits, target: Labels) -> Flags:
        best = model.probabilities(logits).topk(2, dim=1)
        return (best.indices[:, 0] != target) & (best.values[:, 0] - best.values[:, 1] > margin)

    return goal


def run(model: Classifier, question: Question, params: ConfidentParams) -> Attacking:
    """The question's ρ plays no part: the smallest change is looked for.  Raises CannotExplain."""
    if reason := cannot(model):
        raise CannotExplain(reason)
    rows, of = Rows(question.images, question.target), 2 * params.steps
    across = replace(search(fooled, model, rows, params, params.rule), score=None, stop=once(met(fooled, model)))
    crossed = yield from descend(model, across, of=of)
    left = (crossed.alive & fooled(model, crossed.logits, rows.target)).nonzero()[:, 0]
    visited, found = crossed.traced.nan_to_num(0).amax(0), crossed
    goal = sure(params.margin)
    if len(left):
        wrong = others(crossed.logits, rows.target).argmax(1)[left]
        climb = replace(
            search(goal, model, rows.take(left).adding(wrong=wrong), params, params.rule),
            start=crossed.z[left],
            loss=lambda view: -model.margin(view.logits, view.rows.extra["wrong"]),
        )
        later = yield from descend(model, climb, offset=params.steps, of=of, labels=left)
        visited[left] = torch.maximum(visited[left], later.traced.nan_to_num(0).amax(0))
        found = crossed.updated(left, later)
    success = goal(model, found.logits, rows.target)
    return Attacked(found.image, success, crossed.first, found.logits, visited, found.passes)


def cannot(model: Classifier) -> str | None:
    if model.kind == "sigmoid":
        return "A multi-label network decides each class by itself: no other class can take over."
    return None


def cost(params: ConfidentParams) -> float:
    """At most: the first phase ends where the class is lost."""
    return 2 * params.steps + 0.5


CONFIDENT = Attack(
    name="confident",
    title="Confident attack",
    summary="The smallest change that makes the network sure of a wrong class.",
    citation=CITATION,
    run=run,
    params=ConfidentParams,
    norm="l2",
    cost=cost,
    cannot=cannot,
    sensitive=True,
)
