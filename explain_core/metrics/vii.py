"""Visual interpretability index (Li & Wang, Noise modulation, Eq. 11): do input gradients look like the picture?

For each picture |⟨d, g⟩| / (‖d‖ ‖g‖), with d = sign(x − x̄), x̄ the data's mean picture, and g the sign of
the loss's gradient.  The gradient is taken through the log-odds of the label, which has the direction
of the loss's but does not drown in rounding where the loss is saturated.  Two independent vectors of
signs of N values reach √(2 / (πN)), given as `chance`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from explain_core.metrics.attacking import by_size
from explain_core.metrics.base import Case, Metric, Reading, Subject
from explain_core.metrics.scoring import as_input
from explain_core.metrics.summing import mean_of
from explain_core.models.classifier import Classifier
from explain_core.params import Params
from explain_core.records import Floats


@dataclass(frozen=True)
class ViiParams(Params):
    """It has no settings."""


def measure(subject: Subject, cases: Sequence[Case], params: ViiParams) -> Iterator[Reading]:
    """The index of each case."""
    mean = np.zeros(1, np.float32) if subject.mean is None else subject.mean
    found: dict[int, Reading] = {}
    for indices in by_size(cases).values():
        chosen = [cases[index] for index in indices]
        for index, case, gradient in zip(indices, chosen, gradients(subject.model, chosen), strict=True):
            found[index] = read(case.pixels - mean, gradient)
    yield from (found[index] for index in range(len(cases)))


def gradients(model: Classifier, cases: Sequence[Case]) -> Floats:
    """Of the label's log-odds with respect to the pixels, (n, c, h, w), of cases of one size."""
    with torch.enable_grad():
        x = torch.stack([as_input(model, case.pixels) for case in cases]).requires_grad_()
        labels = torch.tensor([case.label for case in cases], device=x.device)
        (gradient,) = torch.autograd.grad(model.log_odds(model(x), labels).sum(), x)
    found: Floats = gradient.cpu().numpy()
    return found


def read(difference: Floats, gradient: Floats) -> Reading:
    d, g = np.sign(difference).astype(np.float64), np.sign(gradient).astype(np.float64)
    numbers = {"chance": math.sqrt(2 / (math.pi * d.size))}
    length = np.linalg.norm(d) * np.linalg.norm(g)
    if length == 0:
        return Reading(None, numbers, note="The gradient is zero, or the picture is the mean picture.", units=1.0)
    return Reading(float(abs((d * g).sum()) / length), numbers, units=1.0)


METRIC = Metric(
    name="vii",
    title="VII",
    summary="How far the signs of the input gradient follow those of the picture itself.",
    citation="Li & Wang, Noise modulation: let your model interpret itself.",
    of="model",
    better="higher",
    measure=measure,
    summarise=mean_of,
    params=ViiParams,
    cost=lambda _: 1.0,
    needs=frozenset({"label", "mean"}),
    chunk=64,
    prepared=True,
)
