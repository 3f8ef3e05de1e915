"""A faster search for the smallest change: direction and size move apart (Rony et al. 2019; Pintor et al. 2021).

The direction turns towards the falling gradient and keeps some of its last turn; the size goes to where the
goal would just hold if its border were straight, by a bounded share of itself.  Turns and shares become
smaller from step to step, along a cosine.

What decides most is towards which other class one walks: the smallest changes differ by a half and more
between classes, and the class that is nearest at first is often the wrong one.  So the search is a
tournament: each of the nine most probable other classes k gets two steps on y_t − y_k, the five with the
smallest changes get four more, two of them seven more, and the best goes on, from its smallest change, on the
goal's own gap.  Rows whose goal holds at the start, and classes that lose, leave the batch.

A fifth of `steps`, less 2 %, is what a row may cost, in units: with few steps fewer classes are looked at.
The box acts on every iterate, and one counts only where the goal holds by CLEAR on that very picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from explain_core.attacks.base import Attacked, Attacking
from explain_core.attacks.goals import Gap, Goal, size, smallest_where
from explain_core.descent.loop import descend
from explain_core.descent.plan import Plan
from explain_core.descent.projections import box, per_row, rms
from explain_core.descent.rules import State
from explain_core.descent.view import Rows, View
from explain_core.models.classifier import Classifier, others, pick
from explain_core.types import Images, PerRow, Question

SHARE = 0.196  # of Algorithm 1's passes: under a fifth also where its last rows rest
CLASSES = 9
LOOKING = 0.26  # of the passes, at most, for the first look at classes
CLEAR = 1e-4  # logits past the border, so that rounding in another batch does not bring it back
BEYOND = 0.0005  # of the size, past where a straight border would lie
SLANT = 0.2  # the least cosine between direction and falling gradient that the size reckons with


@dataclass(frozen=True)
class Phase:
    """`classes` a row, `steps` each; how far to turn, how much the size may change, what is kept of the last turn."""

    classes: int
    steps: int
    turn: tuple[float, float] = (1, 1)
    share: tuple[float, float] = (1, 1)
    memory: float = 0

    @property
    def units(self) -> float:
        return self.classes * (self.steps + 0.5)

    def now(self, step: int, ends: tuple[float, float]) -> float:
        """From one end to the other, along a cosine."""
        first, last = ends
        return last + (first - last) * (1 + math.cos(math.pi * step / self.steps)) / 2


LOOK = Phase(1, 0)  # one forward pass


def phases(rivals: int, units: float) -> list[Phase]:
    """What a row may cost, shared out; one phase where there is one rival, or too little for several."""
    steps = 2
    rivals = min(rivals, CLASSES, int(LOOKING * units / (steps + 0.5)))
    before = [
        Phase(rivals, steps, turn=(2, 1), share=(0.3, 0.3)),
        Phase(min(rivals, 5), steps=4, turn=(1, 0.4), share=(0.1, 0.1)),
        Phase(min(rivals, 2), steps=7, turn=(0.8, 0.1), share=(0.05, 0.02)),
    ]
    before = before if rivals > 1 else []
    left = int(units - 1 - sum(phase.units for phase in before))
    return [*before, Phase(1, max(1, left), turn=(1, 0.01), share=(0.1, 0.002), memory=0.8)]


@dataclass(frozen=True)
class Turning:
    """The rule: its state is the last direction at RMS 1, (n, …), and whether the goal has held before, (n,)."""

    phase: Phase
    gap: Callable[[View], PerRow]

    def start(self, z: Tensor) -> State:
        return torch.zeros_like(z), torch.zeros(len(z), dtype=torch.bool, device=z.device)

    def __call__(self, gradient: Tensor, state: State, view: View) -> tuple[Tensor, State]:
        last, before = state
        gap, delta = self.gap(view) + CLEAR, view.z - view.rows.x
        here, down = unit(delta), unit(-gradient)
        held = before | (gap < 0)
        turned = here + self.phase.now(view.step, self.phase.turn) * down
        if view.step:
            turned = turned + self.phase.memory * (here - last)
        slope, bound = rms(gradient) * gradient[0].numel(), self.phase.now(view.step, self.phase.share) * rms(delta)
        straight = torch.where(slope > 0, gap / slope.where(slope > 0, 1), 0)
        cosine = (here * down).flatten(1).mean(1).clamp_min(SLANT).where(bound > 0, 1)
        change = (straight / cosine).maximum(-bound).minimum(torch.where(held, bound, straight.maximum(bound)))
        length = (1 + BEYOND) * (rms(delta) + change)
        return delta - per_row(length, delta) * unit(turned), (here, held)


def unit(direction: Tensor) -> Tensor:
    """Each row at RMS 1; zero stays zero."""
    largest = per_row(direction.flatten(1).abs().amax(1), direction)
    direction = direction / largest.where(largest > 0, 1)
    length = per_row(rms(direction), direction)
    return direction / length.where(length > 0, 1)


@dataclass(frozen=True)
class Tournament:
    """The search for a goal, whose `gap` it closes; `steps` are those of the search that it stands in for."""

    model: Classifier
    goal: Goal
    gap: Gap
    steps: int

    def run(self, question: Question) -> Attacking:
        """The question's ρ plays no part: the smallest change is looked for."""
        rows = Rows(question.images, question.target)
        first = yield from descend(self.model, self.plan(rows, rows.x, LOOK))
        image, logits, passes = first.image.clone(), first.logits.clone(), list(first.passes)
        visited = torch.zeros_like(first.loss)
        stages = phases(1 if self.model.kind == "sigmoid" else logits.shape[1] - 1, self.steps * SHARE)
        names = (~self.goal(self.model, logits, rows.target)).nonzero()[:, 0]
        wrong = others(logits, rows.target)[names].topk(stages[0].classes).indices.flatten()
        names = names.repeat_interleave(stages[0].classes)
        start, done, of = rows.x[names], 0, sum(stage.steps for stage in stages)
        for stage, keep in zip(stages, [*(stage.classes for stage in stages[1:]), 1], strict=True):
            if not len(names):
                break
            plan = self.plan(rows.take(names).adding(wrong=wrong), start, stage)
            found = yield from descend(self.model, plan, offset=done, of=of, labels=names)
            for row, spent in zip(names.tolist(), found.passes, strict=True):
                passes[row] += spent
            largest = found.traced.nan_to_num(0).amax(0).view(-1, stage.classes).amax(1)
            visited[names[:: stage.classes]] = largest.maximum(visited[names[:: stage.classes]])
            missed = self.gap(self.model, found.logits, plan.rows.target) >= -CLEAR
            sizes = (rms(found.image - plan.rows.x) + missed).view(-1, stage.classes)  # no RMSE exceeds 1
            best = ranked(sizes, 1)
            image[names[best]], logits[names[best]] = found.image[best], found.logits[best]
            stay = ranked(sizes, keep)
            stay = stay[found.alive[stay]]
            names, wrong, start, done = names[stay], wrong[stay], found.z[stay], done + stage.steps
        return Attacked(image, self.goal(self.model, logits, rows.target), first.logits, logits, visited, tuple(passes))

    def plan(self, rows: Rows, start: Images, phase: Phase) -> Plan:
        """One phase, towards `wrong` classes while there are several."""

        def left(view: View) -> PerRow:
            return self.gap(self.model, view.logits, view.rows.target)

        def ahead(view: View) -> PerRow:
            return pick(view.logits, view.rows.target) - pick(view.logits, view.rows.extra["wrong"])

        return Plan(
            rows=rows,
            start=start,
            loss=left if phase.classes == 1 else ahead,
            rule=Turning(phase, left),
            steps=phase.steps,
            project=lambda z, _: box(z),
            score=smallest_where(lambda view: left(view) < -CLEAR),
            trace=size,
        )


def ranked(sizes: Tensor, keep: int) -> Tensor:
    """Where the `keep` smallest of each row (n, k) stand among all n · k."""
    row = torch.arange(len(sizes), device=sizes.device)[:, None] * sizes.shape[1]
    return (row + sizes.argsort(dim=1, stable=True)[:, :keep]).flatten()
