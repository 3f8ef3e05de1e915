"""Integrated gradients (Sundararajan, Taly & Yan 2017): the logit's rise from a baseline, shared out to pixels.

    S[u] = Σ_k (x − x₀)_k[u] ∫₀¹ ∂y_t/∂x_k[u] (x₀ + α (x − x₀)) dα

by Gauss–Legendre quadrature.  Completeness: the map sums to y_t(x) − y_t(x₀); what is missing is told, because
it is the quadrature's error.  The baseline is a choice that changes the map, so it is named with the result.
One forward and one backward pass a step, and a forward pass of each end; memory does not grow with the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from explain_core.methods.base import Method
from explain_core.methods.pixels import (
    BASELINES,
    ObjectiveParams,
    baseline_of,
    class_gradient,
    repeated,
    score_of,
    summed,
    together,
)
from explain_core.models.classifier import Classifier
from explain_core.params import Range
from explain_core.types import Explanation, Images, Passes, PerRow, Question, Working

ROUGH = 0.05  # of the rise; a larger gap asks for more steps


@dataclass(frozen=True)
class IntegratedGradientsParams(ObjectiveParams):
    baseline: Annotated[str, BASELINES, "Where the path begins: a picture of one colour, or the picture blurred."] = (
        "black"
    )
    steps: Annotated[int, Range(1, 500, unit="steps"), "Gradients along the path."] = 50


def run(model: Classifier, question: Question, params: IntegratedGradientsParams) -> Working:
    """Yields a step after each pass."""
    x, score = question.images, score_of(model, params)
    start = baseline_of(model, x, params.baseline)
    with torch.no_grad():
        before, first = model(x), model(start)
    places, weights = (x.new_tensor(values) for values in np.polynomial.legendre.leggauss(params.steps))

    def terms(numbers: range, rows: Tensor) -> Images:
        share = (places[numbers.start : numbers.stop].view(-1, 1, 1, 1, 1) + 1) / 2
        along = torch.lerp(start[rows], x[rows], share).flatten(0, 1)
        _, slope = class_gradient(model, along, question.target[repeated(rows, numbers)], score)
        shares = weights[numbers.start : numbers.stop] / 2
        return torch.einsum("k,k...->...", shares, slope.view(len(numbers), -1, *x.shape[1:]))

    total, spent = yield from summed(x, params.steps, terms)
    saliency = ((x - start) * total).sum(1)
    begin, end = score(first, question.target), score(before, question.target)
    missing = end - begin - saliency.sum((1, 2))
    return Explanation(
        saliency=saliency,
        before=before,
        outcomes=outcomes(params, begin, end, missing),
        passes=tuple(Passes(count + 2, count) for count in spent),
        numbers={"baseline_score": begin, "completeness_gap": missing},
    )


def outcomes(params: IntegratedGradientsParams, begin: PerRow, end: PerRow, missing: PerRow) -> tuple[str, ...]:
    """From where to where, and how much of it the map does not account for."""
    return tuple(
        f"From {params.baseline} ({first:.3g}) to the picture ({last:.3g}), {params.objective}; "
        f"the map misses {gap:.2g} of the rise{'.' if abs(gap) <= ROUGH * abs(last - first) else ': raise the steps.'}"
        for first, last, gap in zip(begin.tolist(), end.tolist(), missing.tolist(), strict=True)
    )


def cost(params: IntegratedGradientsParams) -> float:
    return params.steps + 1


METHOD = Method(
    name="integrated-gradients",
    title="Integrated gradients",
    summary="What each pixel adds to the class on the way from a baseline.",
    citation="Sundararajan, Taly & Yan, Axiomatic Attribution for Deep Networks, ICML 2017.",
    run=run,
    params=IntegratedGradientsParams,
    rho="none",
    cost=cost,
    limits="Pixels of the baseline's colour get nothing; the baseline is a choice, and the map depends on it.",
    prepared=True,
    together=together,
)
