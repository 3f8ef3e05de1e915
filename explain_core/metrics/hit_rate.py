"""Hit rate (Shoshan & Ratner 2018, §4): what share of a mask's components touch a lesion.

Components have 8 neighbours; mask and regions are laid on one grid, so that no pixel of either is lost
to resizing.  The figure is the mean over pictures with a lesion and a mask that is not empty; empty
masks are counted apart, under `empty masks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from explain_core.data.annotation import Bits
from explain_core.metrics.ape import CITATION
from explain_core.metrics.base import Case, Metric, Reading, Subject, Summary
from explain_core.metrics.frames import sampled_alike
from explain_core.metrics.needs import NO_MASK
from explain_core.metrics.scoring import class_of
from explain_core.metrics.summing import mean_of
from explain_core.params import Params
from explain_core.records import Answer

EMPTY = "empty masks"


@dataclass(frozen=True)
class HitRateParams(Params):
    """It has no settings."""


def measure(subject: Subject, cases: Sequence[Case], params: HitRateParams) -> Iterator[Reading]:
    """The share of each case."""
    targets = [class_of(subject.model, case) for case in cases]
    answers = subject.ask([case.pixels for case in cases], targets)
    for case, answer in zip(cases, answers, strict=True):
        yield read(case, answer)


def read(case: Case, answer: Answer) -> Reading:
    return Reading(None, note=NO_MASK) if answer.mask is None else touching_share(case, answer.mask)


def touching_share(case: Case, mask: Bits) -> Reading:
    """Of a mask's components, over what the case's window shows."""
    if not mask.any():
        return Reading(None, {EMPTY: 1.0, "components": 0.0}, note="The mask is empty.")
    numbers, lesion = sampled_alike(case, mask)
    touching, all_of_them = (np.unique(some[some > 0]).size for some in (numbers[lesion], numbers))
    return Reading(touching / all_of_them, {EMPTY: 0.0, "components": float(all_of_them)})


def summarise(readings: Sequence[Reading], tuning: Sequence[Reading], params: object, seed: int) -> Summary:
    """The mean, with the number of empty masks."""
    summary = mean_of(readings, tuning, params, seed)
    empty = sum(reading.numbers.get(EMPTY, 0.0) for reading in readings)
    return replace(summary, numbers={**summary.numbers, EMPTY: empty})


METRIC = Metric(
    name="hit-rate",
    title="Hit rate",
    summary="What share of the mask's connected components touch a lesion.",
    citation=CITATION,
    of="method",
    better="higher",
    measure=measure,
    summarise=summarise,
    params=HitRateParams,
    cost=lambda _: 0.0,
    needs=frozenset({"label", "regions", "mask"}),
)
