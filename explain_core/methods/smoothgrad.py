"""SmoothGrad (Smilkov et al. 2017): the gradient, averaged over noisy copies of the picture.

    S = channels of  1/N Σ_i ∇y_t(x + ε_i),   ε_i ~ N(0, (q · (max x − min x))²)

or the mean of the squared gradients (Hooker et al. 2019).  Copies are not clipped, as published.  A row's noise
comes from the seed and its key alone, so a batch is single runs.  One forward and one backward pass a copy, and
a forward pass of the picture itself; memory does not grow with the copies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from explain_core.methods.base import Method
from explain_core.methods.pixels import (
    PixelParams,
    class_gradient,
    flatten_channels,
    repeated,
    score_of,
    summed,
    together,
    told,
)
from explain_core.models.classifier import Classifier
from explain_core.params import Range, fingerprint
from explain_core.types import Explanation, Images, Passes, Question, Working


@dataclass(frozen=True)
class SmoothGradParams(PixelParams):
    samples: Annotated[int, Range(1, 500, unit="copies"), "N: noisy copies of the picture."] = 50
    noise: Annotated[
        float, Range(0, 1, 0.05, unit="of the picture's value range"), "q: the noise's standard deviation."
    ] = 0.15
    squared: Annotated[bool, "Average the squared gradients, which sharpens."] = False


def run(model: Classifier, question: Question, params: SmoothGradParams) -> Working:
    """Yields a step after each pass."""
    x, score = question.images, score_of(model, params)
    with torch.no_grad():
        before = model(x)
    spread = params.noise * (x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True))
    sources = generators(question)

    def terms(numbers: range, rows: Tensor) -> Images:
        drawn = torch.stack([normal(sources[row], x) for _ in numbers for row in rows.tolist()])
        rows = repeated(rows, numbers)
        _, slope = class_gradient(model, x[rows] + spread[rows] * drawn, question.target[rows], score)
        return (slope.square() if params.squared else slope).view(len(numbers), -1, *x.shape[1:]).sum(0)

    total, spent = yield from summed(x, params.samples, terms)
    counts = torch.tensor(spent, dtype=x.dtype, device=x.device).view(-1, 1, 1, 1)
    saliency = flatten_channels(total / counts, params)
    return Explanation(
        saliency=saliency,
        before=before,
        outcomes=told(saliency, f"Mean of {params.samples} gradients near the picture."),
        passes=tuple(Passes(count + 1, count) for count in spent),
    )


def generators(question: Question) -> list[torch.Generator]:
    """A source of random numbers for each row, the same whatever its neighbours are."""
    keys = question.keys or tuple(map(str, range(len(question.images))))
    seeds = [int(fingerprint("smoothgrad", question.seed, key)[:15], 16) for key in keys]
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def normal(source: torch.Generator, like: Images) -> Tensor:
    """Standard normal numbers (c, h, w), drawn on the CPU in float32, so that every device and type sees the same."""
    return torch.randn(like.shape[1:], generator=source, dtype=torch.float32).to(like)


def cost(params: SmoothGradParams) -> float:
    return params.samples + 0.5


METHOD = Method(
    name="smoothgrad",
    title="SmoothGrad",
    summary="How strongly the class reacts to each pixel, averaged over noisy copies.",
    citation="Smilkov et al., SmoothGrad: removing noise by adding noise, 2017.",
    run=run,
    version=2,
    params=SmoothGradParams,
    rho="none",
    cost=cost,
    limits="Tells of noisy pictures, which the network may never have seen.",
    prepared=True,
    together=together,
)
