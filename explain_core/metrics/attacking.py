"""Attacks on cases, for metrics of the model itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from explain_core.attacks.base import Attack, Attacked
from explain_core.descent.projections import rms
from explain_core.metrics.base import Case, Subject
from explain_core.params import Params
from explain_core.types import Question


@dataclass(frozen=True)
class Trial:
    """What an attack did to one case.

    `label` its true class and `classes` how many there are; `correct` before the attack; `success` as the
    attack's goal has it; `rmse` and `largest` of the change found; `visited` the largest RMSE tried.
    """

    label: int
    classes: int
    correct: bool
    success: bool
    rmse: float
    largest: float
    visited: float
    units: float


def by_size(cases: Sequence[Case]) -> Mapping[tuple[int, ...], list[int]]:
    """Indices of the cases, by the shape of their pixels."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, case in enumerate(cases):
        groups.setdefault(case.pixels.shape, []).append(index)
    return groups


def attacked(
    subject: Subject, cases: Sequence[Case], attack: Attack, params: Params, rho: float | None = None
) -> list[Trial]:
    """One trial a case, in order; cases of one size are attacked together, on their labels.

    Where each picture is standardised by itself, one at a time.
    """
    trials: dict[int, Trial] = {}
    alone = subject.model.standardise
    for indices in [[index] for index in range(len(cases))] if alone else by_size(cases).values():
        found = together(subject, [cases[index] for index in indices], attack, params, rho)
        trials |= zip(indices, found, strict=True)
    return [trials[index] for index in range(len(cases))]


def together(subject: Subject, cases: Sequence[Case], attack: Attack, params: Params, rho: float | None) -> list[Trial]:
    """Cases of one size as one batch; one case, where each picture is standardised by itself."""
    images = torch.from_numpy(np.stack([case.pixels for case in cases])).to(subject.model.mean)
    labels = torch.tensor([case.label for case in cases], device=images.device)
    subject = replace(subject, model=subject.model.about(images))
    bound = None if rho is None else images.new_full((len(cases),), rho)
    question = Question(images, labels, bound, subject.seed, tuple(case.name for case in cases))
    found = driven(subject, question, attack, params)
    change = found.images.double() - images.double()
    table = zip(
        labels.tolist(),
        (subject.model.margin(found.first, labels) >= 0).tolist(),
        found.success.tolist(),
        rms(change).tolist(),
        change.abs().flatten(1).amax(1).tolist(),
        found.visited.tolist(),
        (spent.units for spent in found.passes),
        strict=True,
    )
    classes = found.first.shape[1]
    return [Trial(label, classes, *row) for label, *row in table]


def driven(subject: Subject, question: Question, attack: Attack, params: Params) -> Attacked:
    """The attack, to its end."""
    working = attack.run(subject.model, question, params)
    while True:
        try:
            next(working)
        except StopIteration as end:
            found: Attacked = end.value
            return found
