"""The gradient of the class with respect to the pixels, alone and times the picture.

- Gradient (Simonyan, Vedaldi & Zisserman 2014): S[u] = max_k |∂y_t/∂x_k[u]|.
- Input × gradient (Shrikumar et al. 2016): S[u] = Σ_k (x − x₀)_k[u] · ∂y_t/∂x_k[u], the first-order change of the
  logit when the pixel is put in the place of the baseline's.  x₀ is a knob: `mean`, the zero of a network that
  normalises its input, is what libraries compute; in a linear network the map sums to y_t(x) − y_t(x₀).

One forward and one backward pass each; several targets of a picture share the forward pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from explain_core.methods.base import Method
from explain_core.methods.pixels import (
    BASELINES,
    ObjectiveParams,
    PixelParams,
    baseline_of,
    flatten_channels,
    score_of,
    told,
)
from explain_core.methods.targets import shared_gradient
from explain_core.models.classifier import Classifier
from explain_core.params import Params
from explain_core.types import Explanation, Question, Working


@dataclass(frozen=True)
class InputGradientParams(ObjectiveParams):
    baseline: Annotated[str, BASELINES, "The picture from which the change is counted; mean is the network's zero."] = (
        "mean"
    )


def gradient(model: Classifier, question: Question, params: PixelParams) -> Working:
    """Yields no step, because there is only one."""
    logits, slope, passes = shared_gradient(model, question, score_of(model, params))
    saliency = flatten_channels(slope, params)
    return Explanation(
        saliency=saliency,
        before=logits,
        outcomes=told(saliency, f"How strongly the class's {params.objective} reacts to each pixel."),
        passes=passes,
    )
    yield  # makes this a generator, like every method


def input_times_gradient(model: Classifier, question: Question, params: InputGradientParams) -> Working:
    """Yields no step, because there is only one."""
    logits, slope, passes = shared_gradient(model, question, score_of(model, params))
    saliency = ((question.images - baseline_of(model, question.images, params.baseline)) * slope).sum(1)
    return Explanation(
        saliency=saliency,
        before=logits,
        outcomes=told(saliency, f"What each pixel adds to the class's {params.objective}, to first order."),
        passes=passes,
        numbers={"sum": saliency.sum((1, 2))},
    )
    yield  # makes this a generator, like every method


def one_pass(_: Params) -> float:
    return 1


GRADIENT = Method(
    name="gradient",
    title="Gradient",
    summary="How strongly the class reacts to each pixel.",
    citation="Simonyan, Vedaldi & Zisserman, Deep Inside Convolutional Networks, ICLR Workshop 2014.",
    run=gradient,
    params=PixelParams,
    rho="none",
    cost=one_pass,
    limits="Noisy on most networks; it tells of infinitely small changes only.",
    prepared=True,
)
INPUT_TIMES_GRADIENT = Method(
    name="input-x-gradient",
    title="Input × gradient",
    summary="What each pixel adds to the class, to first order.",
    citation="Shrikumar et al., Not Just a Black Box, 2016.",
    run=input_times_gradient,
    params=InputGradientParams,
    rho="none",
    cost=one_pass,
    limits="Where the picture has the baseline's colour it is zero, whatever the network does there.",
    prepared=True,
)
