"""Attribution stability (Schwartz, Alparslan & Kim 2020, Table 2): how far two maps differ that ought to be alike.

The sum over pixels of squared differences of two maps, each scaled to [0, 1]; the class is the one
predicted for the untouched picture.

`stability-patch`, of the model: occlusion by a grey patch of 4 × 4 against one of 2 × 2, stride 2.
`stability-blur`, of the method: its map of the picture against that of the picture's blur, σ 0.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from scipy import ndimage

from explain_core.metrics.base import Case, Metric, Reading, Subject, Summary
from explain_core.metrics.scoring import predicted
from explain_core.metrics.similarity import squared_difference
from explain_core.metrics.summing import mean_of
from explain_core.params import Params, Range
from explain_core.records import Answer, Floats

CITATION = (
    "Schwartz, Alparslan & Kim, Regularization and sparsity for adversarial robustness and stable attribution, 2020."
)


@dataclass(frozen=True)
class BlurParams(Params):
    sigma: Annotated[float, Range(0, 10, 0.1, unit="pixels"), "σ of the Gaussian blur of the picture."] = 0.5


def on_a_blur(subject: Subject, cases: Sequence[Case], params: BlurParams) -> Iterator[Reading]:
    """Of the subject's method on each picture and on its blur."""
    targets = [predicted(subject.model, case) for case in cases]
    sharp = subject.ask([case.pixels for case in cases], targets)
    soft = subject.ask([blurred(case.pixels, params.sigma) for case in cases], targets)
    yield from compared(sharp, soft)


@dataclass(frozen=True)
class PatchParams(Params):
    patch: Annotated[int, Range(1, 64, 1, unit="pixels"), "Side of the one patch."] = 4
    other: Annotated[int, Range(1, 64, 1, unit="pixels"), "Side of the other patch."] = 2
    stride: Annotated[int, Range(1, 64, 1, unit="pixels"), "From patch to patch; at most the patch's side."] = 2


def by_two_patches(subject: Subject, cases: Sequence[Case], params: PatchParams) -> Iterator[Reading]:
    """Of occlusion by two sizes of patch."""
    pixels, targets = [case.pixels for case in cases], [predicted(subject.model, case) for case in cases]
    first, second = (
        subject.ask(pixels, targets, method="occlusion", knobs=occlusion(side, params.stride))
        for side in (params.patch, params.other)
    )
    yield from compared(first, second)


def occlusion(side: int, stride: int) -> Mapping[str, Any]:
    """Knobs of the method, all that the map depends on."""
    return {"patch": side, "stride": min(stride, side), "fill": "grey", "objective": "probability"}


def compared(first: Sequence[Answer], second: Sequence[Answer]) -> Iterator[Reading]:
    for one, other in zip(first, second, strict=True):
        total = squared_difference(one.saliency, other.saliency)
        yield Reading(total, {"per pixel": total / one.saliency.size}, units=0.5)


def blurred(pixels: Floats, sigma: float) -> Floats:
    """Each channel (c, h, w) through a Gaussian, edges reflected."""
    soft: Floats = ndimage.gaussian_filter(pixels, (0, sigma, sigma)).clip(0, 1)
    return soft


def summarise(readings: Sequence[Reading], tuning: Sequence[Reading], params: object, seed: int) -> Summary:
    """The mean, with the standard deviation over pictures that the paper gives."""
    summary = mean_of(readings, tuning, params, seed)
    values = [reading.value for reading in readings if reading.value is not None]
    if len(values) < 2:
        return summary
    return replace(summary, numbers={**summary.numbers, "standard deviation": float(np.std(values, ddof=1))})


BLUR = Metric(
    name="stability-blur",
    title="Stability under blur",
    summary="How far the map changes when the picture is blurred so little that nobody sees it.",
    citation=CITATION,
    of="method",
    better="lower",
    measure=on_a_blur,
    summarise=summarise,
    params=BlurParams,
    cost=lambda params: 0.5,
)

PATCH = Metric(
    name="stability-patch",
    title="Stability under patches",
    summary="How far the map of a sliding patch depends on the size of the patch.",
    citation=CITATION,
    of="model",
    better="lower",
    measure=by_two_patches,
    summarise=summarise,
    params=PatchParams,
    cost=lambda params: 0.5,
)
