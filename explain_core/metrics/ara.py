"""Accuracy-robustness area (Woods, Chen & Teuscher 2019, §II-A and III-A).

For each picture the smallest RMSE at which an attack's goal holds: `adv` for the attack ARA, `btr` for the
BTR ARA; 0 where it holds already.  With accuracy(r) the share of pictures whose smallest RMSE exceeds r,

    ARA = ∫ max(0, accuracy(r) − naive) dr,

integrated exactly over the sorted list.  `naive` is 1/V on balanced data and the majority's share
otherwise; balanced means that a χ² test of equal classes has p ≥ 0.001.  A picture for which nothing was
found is censored at the largest RMSE that was tried, and counted.  A stronger search gives smaller
figures, so the search belongs to the figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chisquare

from explain_core.attacks import ATTACKS
from explain_core.attacks.base import Attack
from explain_core.attacks.smallest import SmallestParams
from explain_core.metrics.attacking import attacked
from explain_core.metrics.base import Case, Metric, Reading, Subject, Summary
from explain_core.params import Range

Values = NDArray[np.float64]

DRAWS = 2000
UNBALANCED = 0.001


@dataclass(frozen=True)
class AraParams(SmallestParams):
    naive: Annotated[
        float | None,
        Range(0, 1),
        "Accuracy without looking; auto is 1/V, or the majority's share on unbalanced data.",
    ] = None


def measure(attack: Attack, subject: Subject, cases: Sequence[Case], params: AraParams) -> Iterator[Reading]:
    """The smallest RMSE of each case; `correct` says whether the label was the decision."""
    knobs = {name: value for name, value in params.as_dict().items() if name != "naive"}
    for trial in attacked(subject, cases, attack, attack.params.build(knobs)):
        yield Reading(
            value=trial.rmse if trial.success else trial.visited,
            numbers={"correct": float(trial.correct), "label": float(trial.label), "classes": float(trial.classes)},
            note="" if trial.success else "Nothing was found: at least the value given.",
            censored=not trial.success,
            units=trial.units,
        )


def summarise(readings: Sequence[Reading], tuning: Sequence[Reading], params: AraParams, seed: int) -> Summary:
    """The area, with the curve accuracy(r), and its standard error and interval by bootstrap over pictures."""
    found = [reading for reading in readings if reading.value is not None]
    if not found:
        return Summary(None, None, None, 0, len(readings))
    sizes = np.array([reading.value for reading in found])
    naive = naive_accuracy(found) if params.naive is None else params.naive
    picks = np.random.default_rng(seed).integers(0, len(sizes), (DRAWS, len(sizes)))
    draws = area(sizes[picks], naive)
    several = len(sizes) > 1
    low, high = np.quantile(draws, [0.025, 0.975])
    return Summary(
        value=float(area(sizes, naive)),
        standard_error=float(draws.std(ddof=1)) if several else None,
        interval=(float(low), float(high)) if several else None,
        n=len(sizes),
        not_found=len(readings) - len(found) + sum(reading.censored for reading in found),
        numbers={"accuracy": float(np.mean([reading.numbers["correct"] for reading in found])), "naive": naive},
        curves=curve(sizes),
    )


def area(sizes: Values, naive: float) -> Values:
    """∫ max(0, accuracy(r) − naive) dr of smallest RMSEs (…, n), over the last axis."""
    ordered = np.sort(sizes, axis=-1)
    widths = np.diff(ordered, axis=-1, prepend=0)
    count = ordered.shape[-1]
    heights = np.maximum(0, (count - np.arange(count)) / count - naive)
    result: Values = (widths * heights).sum(-1)
    return result


def curve(sizes: Values) -> Mapping[str, tuple[float, ...]]:
    """accuracy(r) from each r on, r being 0 and every smallest RMSE; a step function."""
    r = np.concatenate([[0.0], np.sort(sizes)])
    accuracy = [(sizes > value).mean() for value in r]
    return {"r": tuple(map(float, r)), "accuracy": tuple(map(float, accuracy))}


def naive_accuracy(readings: Sequence[Reading]) -> float:
    """1/V, or the majority's share where a χ² test finds the classes unequal."""
    classes = max(2, int(readings[0].numbers["classes"]))
    counts = np.bincount([int(reading.numbers["label"]) for reading in readings], minlength=classes)
    unbalanced = chisquare(counts).pvalue < UNBALANCED
    return float(counts.max() / counts.sum()) if unbalanced else 1 / classes


def _row(attack: str, name: str, title: str, summary: str) -> Metric:
    return Metric(
        name=name,
        title=title,
        summary=summary,
        citation="Woods, Chen & Teuscher, Adversarial Explanations, Nature Machine Intelligence 2019.",
        of="model",
        better="higher",
        measure=partial(measure, ATTACKS[attack]),
        summarise=summarise,
        params=AraParams,
        cost=ATTACKS[attack].cost,
        needs=frozenset({"label"}),
        chunk=128,
        prepared=True,
    )


ATTACK_ARA = _row(
    "adv",
    "attack-ara",
    "Attack ARA",
    "How large a change the decision withstands, as an area under accuracy(RMSE); a stronger search finds less.",
)
BTR_ARA = _row(
    "btr",
    "btr-ara",
    "BTR ARA",
    "How large a change keeps the true class better than chance, as an area likewise; a stronger search finds less.",
)
