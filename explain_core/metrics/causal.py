"""Deletion and insertion (Petsiuk, Das & Saenko, RISE, 2018): what happens as the salient pixels go, or come.

Pixels are taken by falling saliency, all channels of a pixel at once, `step` at a time.  Deletion walks
from the picture to a baseline, insertion from a baseline to the picture; the score is the probability of
the class predicted for the untouched picture.  The value is the area under the score over the share of
pixels changed, by trapezoids: low is good for deletion, high for insertion.

Departures: equal saliencies are taken in row-major order (the authors' code reverses it); a last step that
is shorter than the others counts with its own width; the step scales with the picture's area.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from explain_core.metrics.base import Case, Metric, Reading, Subject
from explain_core.metrics.ranking import descending
from explain_core.metrics.scoring import as_input, predicted, probabilities_along
from explain_core.metrics.summing import mean_of
from explain_core.models.classifier import Classifier
from explain_core.params import Choice, Params, Range
from explain_core.records import Floats

STEPS = 28  # 1,792 pixels of 224 × 224, the step of the paper's table
KERNEL, SIGMA = 11, 5.0


@dataclass(frozen=True)
class DeletionParams(Params):
    step: Annotated[
        int | None, Range(1, 1_000_000, 1, unit="pixels"), "Pixels changed at a time; auto is 1/28 of them."
    ] = None
    baseline: Annotated[
        str,
        Choice(("mean", "blur", "black")),
        "What stands where pixels are missing: the network's mean colour (its normalised zero), a blur, black.",
    ] = "mean"


@dataclass(frozen=True)
class InsertionParams(DeletionParams):
    baseline: Annotated[
        str,
        Choice(("mean", "blur", "black")),
        "What stands where pixels are missing: the network's mean colour (its normalised zero), a blur, black.",
    ] = "blur"


def measure(inserting: bool, subject: Subject, cases: Sequence[Case], params: DeletionParams) -> Iterator[Reading]:
    """The area under each case's curve."""
    targets = [predicted(subject.model, case) for case in cases]
    answers = subject.ask([case.pixels for case in cases], targets)
    for case, target, answer in zip(cases, targets, answers, strict=True):
        x = as_input(subject.model, case.pixels)
        model = subject.model.about(x[None])
        empty = baseline(model, x, params.baseline)
        start, end = (empty, x) if inserting else (x, empty)
        yield walked(model, start, end, answer.saliency, target, params.step)


def walked(model: Classifier, start: Tensor, end: Tensor, saliency: Floats, target: int, step: int | None) -> Reading:
    """The scores on the way from start to end (c, h, w), most salient pixels first."""
    pixels = saliency.size
    step = min(pixels, step or math.ceil(pixels / STEPS))
    changed = [*range(0, pixels, step), pixels]
    rank = np.empty(pixels, dtype=np.int64)
    rank[descending(saliency)] = np.arange(pixels)
    place = torch.from_numpy(rank.reshape(saliency.shape)).to(start.device)
    scores = probabilities_along(model, (torch.where(place < count, end, start) for count in changed), target)
    shares = [count / pixels for count in changed]
    return Reading(
        value=float(np.trapezoid(scores, shares)),
        numbers={"step": step, "start": scores[0], "end": scores[-1]},
        curves={"share of pixels": tuple(shares), "probability": tuple(scores)},
        units=(len(changed) + 1) / 2,
    )


def baseline(model: Classifier, x: Tensor, name: str) -> Tensor:
    """What stands for no information, (c, h, w)."""
    mean = model.mean[0].to(x).expand_as(x)
    if name == "mean":
        return mean
    return torch.zeros_like(x) if name == "black" else mean + blurred(x - mean)


def blurred(x: Tensor) -> Tensor:
    """Each channel through the authors' 11 × 11 kernel, zeros outside.

    It is a delta, Gaussian-filtered within the patch by reflection, so flatter than a Gaussian; it sums to 1.
    """
    delta = np.zeros((KERNEL, KERNEL))
    delta[KERNEL // 2, KERNEL // 2] = 1
    kernel = torch.from_numpy(ndimage.gaussian_filter(delta, SIGMA)).to(x)
    return F.conv2d(x[:, None], kernel[None, None], padding=KERNEL // 2)[:, 0]


def cost(params: DeletionParams) -> float:
    """Of 224 × 224 pixels: forward passes alone, half a unit each, the prediction included."""
    return (math.ceil(224 * 224 / (params.step or 1792)) + 2) / 2


def _row(inserting: bool, name: str, summary: str, params: type[DeletionParams]) -> Metric:
    return Metric(
        name=name,
        title=name.capitalize(),
        summary=summary,
        citation="Petsiuk, Das & Saenko, RISE, BMVC 2018.",
        of="method",
        better="higher" if inserting else "lower",
        measure=partial(measure, inserting),
        summarise=mean_of,
        params=params,
        cost=cost,
        prepared=True,
    )


DELETION = _row(False, "deletion", "How fast the class goes as its most salient pixels are taken away.", DeletionParams)
INSERTION = _row(True, "insertion", "How fast the class comes as its most salient pixels are put in.", InsertionParams)
