"""A plan: the ingredients of one optimisation, and nothing about how it is driven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from explain_core.descent.rules import Rule, State
from explain_core.descent.view import Rows, View
from explain_core.hooks import Watch
from explain_core.types import Images, PerRow

Score = Callable[[View], PerRow]
Jitter = Callable[[Images, Rows, int], Images]


def itself(z: Tensor, rows: Rows) -> Tensor:
    """The variable is the picture; also: nothing to project."""
    return z


@dataclass(frozen=True)
class Plan:
    """What to minimise, how to step, where to stay, what to keep.  Everything is per row.

    Args:
        rows: what belongs to each row.
        start: the variable z, (n, …): pictures, mask grids, anything that `compose` understands.
        loss: (n,) to be minimised; a row's loss must not depend on other rows.  Or several,
            (n, k), for a rule that weighs their gradients up; the smallest is traced.
        rule: turns gradients, (n, …) or (n, k, …), into steps.
        steps: gradient steps; the last iterate is scored as well, with a forward pass only.
        scored: False leaves that pass out where the last iterate is kept anyway: `Found` then has the logits
            and the loss of the one before.
        compose: z → picture; differentiable.
        project: keeps z where it must stay, after each step.
        jitter: (picture, rows, step) → what the network sees of it while it is differentiated: shifted, flipped;
            the last iterate is scored as it is.
        score: what to keep: the picture with the highest score; None keeps the last.
        trace: what `Found.traced` holds of every iterate; None: the loss.
        stop: rows that are done (n,) bool; they leave the batch.
        settled: rows are done as well when the last `loop.OVER` steps lowered the least that was traced of them by
            less than this share of it, one for each row (n,).
        state: the rule's state to begin with, another plan's `Found.state`; None: the rule's own start.
        resting: rows whose rule needs no gradient at this step; when all rest, none is computed.
        watch: the activations to show to the loss (`View.features`).
    """

    rows: Rows
    start: Tensor
    loss: Callable[[View], Tensor]
    rule: Rule
    steps: int
    compose: Callable[[Tensor, Rows], Images] = itself
    project: Callable[[Tensor, Rows], Tensor] = itself
    jitter: Jitter | None = None
    score: Score | None = None
    trace: Score | None = None
    stop: Callable[[View, Tensor], Tensor] | None = None
    resting: Callable[[View], Tensor] | None = None
    watch: Watch | None = None
    scored: bool = True
    settled: PerRow | None = None
    state: State | None = None
