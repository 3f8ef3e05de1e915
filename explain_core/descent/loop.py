"""The only optimisation loop over inputs.

`descend` is a generator: it pauses after each step, so that whoever drives it can answer a short
question in the middle of a long one, show the pictures as they stand, or drop rows that nobody
waits for.  Rows that are done or dropped leave the batch; the others never notice, because every
loss, rule, projection and score is per row.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from explain_core.descent.plan import Plan
from explain_core.descent.rules import State
from explain_core.descent.view import Rows, View, joined, put, take
from explain_core.models.classifier import Classifier
from explain_core.types import Drop, Images, Logits, Passes, PerRow, Step

OVER = 5
"""Steps within which a row must come further to go on, where its plan says how far."""


@dataclass(frozen=True)
class Found:
    """The kept iterate of every row of the plan, and what it cost.

    `loss` is the kept picture's, `traced` (steps + 1, n) every iterate's, or what the plan traces
    instead (NaN after a row left); `first` are the logits of the start, `alive` the rows that were not dropped.
    `state` is the rule's where the plan was given one to begin with.
    """

    z: Tensor
    image: Images
    logits: Logits
    first: Logits
    loss: PerRow
    traced: Tensor
    alive: Tensor
    passes: tuple[Passes, ...]
    state: State | None = None

    @classmethod
    def nothing(cls, plan: Plan, classes: int) -> Found:
        """Of rows before anything was done for them."""
        n, unknown = len(plan.rows), plan.start.new_full((plan.steps + 1, len(plan.rows)), torch.nan)
        logits = plan.start.new_zeros(n, classes)
        alive = torch.zeros(n, dtype=torch.bool, device=plan.start.device)
        return cls(plan.start, plan.rows.x, logits, logits, unknown[0], unknown, alive, (Passes(),) * n)

    def updated(self, index: Tensor, later: Found, *, begun: bool = False) -> Found:
        """With rows `index` taken from a later plan over just those rows; `begun`: also how they began and went."""
        mine, new = ((f.z, f.image, f.logits, f.loss, f.alive) for f in (self, later))
        z, image, logits, loss, alive = put(mine, index, new)
        first = self.first.index_copy(0, index, later.first) if begun else self.first
        traced = self.traced.index_copy(1, index, later.traced) if begun else self.traced
        passes = list(self.passes)
        for row, spent in zip(index.tolist(), later.passes, strict=True):
            passes[row] += spent
        return Found(z, image, logits, first, loss, traced, alive, tuple(passes))


@dataclass(frozen=True)
class Kept:
    """The best iterate so far of the rows at work."""

    score: PerRow
    z: Tensor
    logits: Logits
    loss: PerRow

    @property
    def parts(self) -> tuple[Tensor, ...]:
        return self.score, self.z, self.logits, self.loss

    def better_of(self, other: Kept) -> Kept:
        """Row by row, the one that scores higher; a tie keeps the earlier one."""
        wins = other.score > self.score
        if bool(wins.all()):
            return other
        if not bool(wins.any()):
            return self
        pairs = zip(other.parts, self.parts, strict=True)
        return Kept(*(new.where(wins.view(-1, *[1] * (new.ndim - 1)), old) for new, old in pairs))

    def take(self, index: Tensor) -> Kept:
        return Kept(*(part[index] for part in self.parts))


def descend(
    model: Classifier, plan: Plan, *, offset: int = 0, of: int | None = None, labels: Tensor | None = None
) -> Generator[Step, Drop | None, Found]:
    """Carry out a plan.

    Args:
        offset, of: where this plan's steps stand in a method of several phases.
        labels: which rows of the question the plan's rows are; None: the same.

    Yields a `Step` after each step; may be sent rows (indices into the question) to drop.
    Returns what was kept.
    """
    work = _Work(model, plan)
    of = of or plan.steps
    for step in range(plan.steps):
        done = work.advance(step)
        names = work.index if labels is None else labels[work.index]
        drop = yield Step(offset + step + 1, of, names, work.image)
        work.leave(
            done, work.index[torch.isin(names, torch.tensor(sorted(drop), device=names.device))] if drop else None
        )
        if not len(work.index):
            break
    return work.finish()


class _Work:
    """The loop's state: the rows still at work, and the results of those that have left."""

    def __init__(self, model: Classifier, plan: Plan) -> None:
        self.model, self.plan = model, plan
        self.rows: Rows = plan.rows
        self.z = plan.start
        self.rule_state = plan.rule.start(plan.start) if plan.state is None else plan.state
        self.index = torch.arange(len(plan.rows), device=plan.start.device)
        self.image: Images = plan.rows.x
        self.kept: Kept | None = None
        self.step = 0
        count = len(plan.rows)
        self.spent = Passes()
        self.passes = [Passes()] * count
        self.traced = torch.full((plan.steps + 1, count), torch.nan, dtype=plan.start.dtype, device=plan.start.device)
        self.alive = torch.ones(count, dtype=torch.bool, device=plan.start.device)
        self.first: Logits | None = None
        self.gone: list[tuple[Tensor, Kept, State]] = []

    def advance(self, step: int) -> Tensor | None:
        """One step of every row at work; returns the rows that are done, if any can be."""
        plan, self.step = self.plan, step
        view, gradient = self.look(differentiate=True)
        with torch.no_grad():
            done = self.done(view, gradient)
            direction, self.rule_state = plan.rule(gradient, self.rule_state, view)
            self.z = plan.project(view.z - direction, self.rows)
        return done

    def done(self, view: View, gradient: Tensor) -> Tensor | None:
        """Rows that the plan stops, and those that hardly get any lower."""
        stopped = self.plan.stop(view, gradient) if self.plan.stop else None
        if self.plan.settled is None or self.step < OVER:
            return stopped
        traced = self.traced[: self.step + 1, self.index]
        lowest = traced.amin(0)
        settled = traced[:-OVER].amin(0) - lowest < self.plan.settled[self.index] * lowest.abs()
        return settled if stopped is None else settled | stopped

    def look(self, *, differentiate: bool) -> tuple[View, Tensor]:
        """One shared forward pass for all terms, and a backward pass to z for each loss where rows need one."""
        plan = self.plan
        z = self.z.detach().requires_grad_(differentiate)
        with torch.set_grad_enabled(differentiate):
            image = plan.compose(z, self.rows)
            moved = plan.jitter(image, self.rows, self.step) if plan.jitter and differentiate else image
            logits, features = self.forward(moved)
            view = View(self.step, z, image, logits, self.rows, features)
            view = replace(view, loss=plan.loss(view))
        resting = plan.resting is not None and bool(plan.resting(view).all())
        backward = 0 if resting or not differentiate else view.loss[0].numel()
        gradient = differentiated(view.loss, z) if backward else torch.zeros_like(z)
        seen = replace(
            view,
            z=z.detach(),
            image=image.detach(),
            logits=logits.detach(),
            loss=view.loss.detach(),
            features=tuple(feature.detach() for feature in features),
        )
        self.note(seen, backward)
        return seen, gradient

    def forward(self, image: Images) -> tuple[Logits, tuple[Tensor, ...]]:
        if self.plan.watch is None:
            return self.model(image), ()
        return self.plan.watch.run(lambda: self.model(image))

    def note(self, view: View, backward: int) -> None:
        """Count the passes, trace the loss, keep the iterate if it is the best."""
        self.spent += Passes(1, backward)
        if self.first is None:
            self.first = view.logits
        self.image = view.image
        with torch.no_grad():
            score = self.plan.score(view) if self.plan.score else view.least
            self.traced[self.step, self.index] = self.plan.trace(view) if self.plan.trace else view.least
        kept = Kept(score, view.z, view.logits, view.least)
        self.kept = self.kept.better_of(kept) if self.kept and self.plan.score else kept

    def leave(self, done: Tensor | None, dropped: Tensor | None) -> None:
        """Let rows that are done or dropped leave; the variable, rule state and best move with the rest."""
        if dropped is None and (done is None or not bool(done.any())):
            return
        stays = torch.ones_like(self.index, dtype=torch.bool) if done is None else ~done
        if dropped is not None:
            self.alive[dropped] = False
            stays &= ~torch.isin(self.index, dropped)
        self.retire(~stays)
        keep = stays.nonzero()[:, 0]
        self.rows, self.z, self.index = self.rows.take(keep), self.z[keep], self.index[keep]
        self.image, self.rule_state = self.image[keep], take(self.rule_state, keep)
        if self.kept:
            self.kept = self.kept.take(keep)

    def retire(self, which: Tensor) -> None:
        """Put the best of these rows aside."""
        if self.kept is not None and bool(which.any()):
            state = () if self.plan.state is None else take(self.rule_state, which)
            self.gone.append((self.index[which], self.kept.take(which), state))
            for row in self.index[which].tolist():
                self.passes[row] = self.spent

    def finish(self) -> Found:
        """Score the last iterates, and put every row's best back in its place."""
        if len(self.index):
            self.step = self.plan.steps
            if self.plan.scored or self.kept is None:
                self.look(differentiate=False)
            else:
                self.kept = replace(self.kept, z=self.z)
            self.retire(torch.ones_like(self.index, dtype=torch.bool))
        indices, kept, states = zip(*self.gone, strict=True)
        order = torch.cat(indices).argsort()
        _, z, logits, loss = take(joined([one.parts for one in kept]), order)
        state = None if self.plan.state is None else take(joined(states), order)
        with torch.no_grad():
            image = self.plan.compose(z, self.plan.rows)
        first = self.first if self.first is not None else logits
        return Found(z, image, logits, first, loss, self.traced, self.alive, tuple(self.passes), state)


def differentiated(loss: Tensor, z: Tensor) -> Tensor:
    """The gradient in z of one loss a row (n,), shaped as z, or of several (n, k), shaped (n, k, …)."""
    if loss.ndim == 1:
        (gradient,) = torch.autograd.grad(loss.sum(), z)
        return gradient
    columns = loss.sum(0).unbind()
    return torch.stack([torch.autograd.grad(column, z, retain_graph=True)[0] for column in columns], dim=1)
