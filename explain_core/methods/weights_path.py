"""One picture at several weights λ', each solved from where its neighbour stopped.

From the largest weight to the smallest, each problem begins at the kept iterate of the one before and with its L-BFGS
pairs.  The pairs are of a stiffer problem, so that the first steps are rather too short than too long, and the
rule replaces them within its history.  At a smaller weight the loss goes on falling for long, by little in each step,
so the tolerance is larger there: by (largest weight / weight)^EASE, at most MOST_EASE.  On photographs at a tolerance
of 0.002 all this takes about a quarter of the steps of as many runs from the picture itself.  Pictures go side by side:
the n-th weights of all are one batch.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from explain_core.descent.loop import Found, descend
from explain_core.descent.plan import Plan
from explain_core.descent.view import put, take
from explain_core.models.classifier import Classifier
from explain_core.types import Drop, PerRow, Question, Step

EASE, MOST_EASE = 0.15, 4.0
"""Losses then exceed those of 100 steps by about the same share at each of eight weights from 1 to 3,000."""


def chains(question: Question, weight: PerRow) -> list[list[int]]:
    """The rows of each picture and target, from the largest weight to the smallest."""
    found: dict[tuple[str, int], list[int]] = {}
    for row in weight.argsort(descending=True, stable=True).tolist():
        found.setdefault((question.keys[row], int(question.target[row])), []).append(row)
    return sorted(found.values())


def along(
    model: Classifier, plan: Plan, paths: Sequence[Sequence[int]], weight: PerRow
) -> Generator[Step, Drop | None, Found]:
    """Carries out a plan path by path; `paths` has every row of the plan once, and begins with its largest weight."""
    device, longest = plan.start.device, max(len(path) for path in paths)
    heads = torch.tensor([path[0] for path in paths], device=device)
    z, state = plan.start[heads], plan.rule.start(plan.start[heads])
    before: dict[int, Tensor] = {}
    gone: set[int] = set()
    found = Found.nothing(plan, len(model.classes))
    for place in range(longest):
        here = [number for number, path in enumerate(paths) if len(path) > place and path[place] not in gone]
        if not here:
            continue
        on, index = torch.tensor(here, device=device), torch.tensor([paths[one][place] for one in here], device=device)
        part = replace(
            plan,
            rows=plan.rows.take(index),
            start=z[on],
            state=take(state, on),
            settled=_eased(plan, index, heads[on], weight),
        )
        steps = descend(model, part, offset=place * plan.steps, of=longest * plan.steps, labels=index)
        later = yield from _noting(steps, gone)
        z, state = put((z, state), on, (later.z, later.state))
        first = torch.stack([before.setdefault(one, logits) for one, logits in zip(here, later.first, strict=True)])
        found = found.updated(index, replace(later, first=first), begun=True)
    return found


def _eased(plan: Plan, index: Tensor, heads: Tensor, weight: PerRow) -> PerRow | None:
    """The tolerance of each row, whose path began at `heads`."""
    smallest = torch.finfo(weight.dtype).tiny
    ease = ((weight[heads] + smallest) / (weight[index] + smallest)) ** EASE
    return None if plan.settled is None else plan.settled[index] * ease.clamp_max(MOST_EASE)


def _noting(working: Generator[Step, Drop | None, Found], gone: set[int]) -> Generator[Step, Drop | None, Found]:
    """The same steps; what is dropped meanwhile is noted, also rows that have not begun."""
    drop: Drop | None = None
    while True:
        try:
            step = working.send(drop)
        except StopIteration as end:
            found: Found = end.value
            return found
        drop = yield step
        gone |= drop or frozenset()
