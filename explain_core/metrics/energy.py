"""The energy-based pointing game (Wang et al., Score-CAM, 2020): how much of the saliency lies on the object.

The share of the map's positive values that lies inside the regions of the class, in the picture's frame.
`area` is the share of what the network saw that the regions cover: what a constant map would reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from explain_core.metrics.base import Case, Metric, Reading, Subject
from explain_core.metrics.frames import marked, window_of
from explain_core.metrics.scoring import class_of
from explain_core.metrics.summing import mean_of
from explain_core.params import Params
from explain_core.records import Floats


@dataclass(frozen=True)
class EnergyParams(Params):
    """It has no settings."""


def measure(subject: Subject, cases: Sequence[Case], params: EnergyParams) -> Iterator[Reading]:
    """The share of each case."""
    targets = [class_of(subject.model, case) for case in cases]
    answers = subject.ask([case.pixels for case in cases], targets)
    for case, answer in zip(cases, answers, strict=True):
        yield read(case, answer.saliency)


def read(case: Case, saliency: Floats) -> Reading:
    window, inside = window_of(case), marked(case).mask()
    seen = window.place(np.ones_like(saliency), outside=0.0).astype(np.float64)
    positive = window.place(np.maximum(saliency, 0), outside=0.0).astype(np.float64)
    numbers = {"area": float(seen[inside].sum() / seen.sum())}
    if positive.sum() == 0:
        return Reading(None, numbers, note="The map is nowhere positive.")
    return Reading(float(positive[inside].sum() / positive.sum()), numbers)


METRIC = Metric(
    name="energy",
    title="Energy inside",
    summary="The share of the positive saliency that lies on objects of the class.",
    citation="Wang et al., Score-CAM, CVPR workshops 2020.",
    of="method",
    better="higher",
    measure=measure,
    summarise=mean_of,
    params=EnergyParams,
    cost=lambda _: 0.0,
    needs=frozenset({"label", "regions"}),
    version=2,
)
