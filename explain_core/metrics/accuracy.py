"""Accuracy under attack: the share of pictures that keep their class whatever a given attack does within ε.

ε bounds the largest change of a pixel for attacks in L∞, the RMSE for those in L2.  A bounded attack is run
at each ε in turn on the pictures that withstood the smaller ones (a change inside a ball is inside every
larger one); one that looks for the smallest change is run once.  A picture that is wrong from the start
counts as lost.  No attack finds every change: the figure bounds the true accuracy from above.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from explain_core.attacks import ATTACKS
from explain_core.attacks.base import Attack
from explain_core.errors import ParamError
from explain_core.metrics.attacking import Trial, attacked
from explain_core.metrics.base import Case, Metric, Reading, Subject
from explain_core.metrics.summing import mean_of
from explain_core.params import Choice, Params, Pattern

NUMBER = r"(\d+\.?\d*|\.\d+)(e-?\d+)?"


@dataclass(frozen=True)
class AccuracyParams(Params):
    attack: Annotated[
        str,
        Choice(("fgsm", "pgd-linf", "pgd-l2", "deepfool-l2", "deepfool-linf", "adv")),
        "The attack, with its own defaults.",
    ] = "pgd-linf"
    eps: Annotated[
        str,
        Pattern(rf"{NUMBER}(,{NUMBER})*", "numbers in (0, 1] with commas, such as '0.01,0.03'"),
        "ε at which accuracy is told: the largest change of a pixel in L∞, the RMSE in L2.",
    ] = "0.01,0.03,0.1"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(0 < value <= 1 for value in self.bounds):
            raise ParamError(f"eps = {self.eps!r}: each must lie above 0 and be at most 1.")

    @property
    def bounds(self) -> tuple[float, ...]:
        """ε from the smallest to the largest, each once."""
        return tuple(sorted({float(value) for value in self.eps.split(",")}))


def measure(subject: Subject, cases: Sequence[Case], params: AccuracyParams) -> Iterator[Reading]:
    """1 where the case is still right at the largest ε, else 0; the curve is over 0 (no attack) and every ε."""
    attack = ATTACKS[params.attack]
    found = (within if attack.bounded else nearest)(subject, cases, attack, params.bounds)
    for trials, withstood in found:
        right = [trials[0].correct, *(place < withstood for place in range(len(params.bounds)))]
        yield Reading(
            value=float(right[-1]),
            numbers={"accuracy": float(right[0])},
            curves={"eps": (0.0, *params.bounds), "accuracy": tuple(map(float, right))},
            units=sum(trial.units for trial in trials),
        )


Tried = tuple[list[Trial], int]
"""All trials on a case, and at how many ε, from the smallest on, it stayed right."""


def within(subject: Subject, cases: Sequence[Case], attack: Attack, bounds: Sequence[float]) -> list[Tried]:
    """A bounded attack at each ε, on the cases that are left."""
    trials: list[list[Trial]] = [[] for _ in cases]
    left = list(range(len(cases)))
    for rho in bounds:
        for index, trial in zip(
            left, attacked(subject, [cases[index] for index in left], attack, attack.params(), rho), strict=True
        ):
            trials[index].append(trial)
        left = [index for index in left if not trials[index][-1].success]
    return [(tried, sum(not trial.success for trial in tried)) for tried in trials]


def nearest(subject: Subject, cases: Sequence[Case], attack: Attack, bounds: Sequence[float]) -> list[Tried]:
    """The smallest change once, held against each ε."""
    found = []
    for trial in attacked(subject, cases, attack, attack.params()):
        size = trial.largest if attack.norm == "linf" else trial.rmse
        withstood = sum(not trial.success or size > eps for eps in bounds)
        found.append(([trial], withstood))
    return found


def cost(params: AccuracyParams) -> float:
    """At most; a picture that is lost at one ε is not attacked at the next."""
    attack = ATTACKS[params.attack]
    return attack.cost(attack.params()) * (len(params.bounds) if attack.bounded else 1)


METRIC = Metric(
    name="accuracy-under-attack",
    title="Accuracy under attack",
    summary="The share of pictures that keep their true class whatever an attack does within ε.",
    citation="Madry et al., Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018.",
    of="model",
    better="higher",
    measure=measure,
    summarise=mean_of,
    params=AccuracyParams,
    cost=cost,
    needs=frozenset({"label"}),
    chunk=128,
    prepared=True,
)
