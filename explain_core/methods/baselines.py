"""Maps that know nothing of the network or of the class: what an explanation has to beat.

`centre`           S[u] = 1 − |u − middle| / |corner − middle|, the same for every picture;
`blur-difference`  S[u] = √ mean_c (x − G_σ x)²[u], edges and texture: Elliott, Law & Russell 2021, "blurDiff",
                   the distance to a blurred copy (σ 2.5).

The one forward pass is for the prediction only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch

from explain_core.methods.base import Method
from explain_core.methods.smoothing import gaussian
from explain_core.models.classifier import Classifier, pick
from explain_core.params import Params, Range
from explain_core.types import Explanation, Images, Passes, Question, Saliency, Working


@dataclass(frozen=True)
class CentreParams(Params):
    """Nothing to set."""


@dataclass(frozen=True)
class BlurDifferenceParams(Params):
    sigma: Annotated[float, Range(0.5, 20, 0.5, unit="pixels"), "σ of the blurred copy."] = 2.5
    blur: Annotated[float, Range(0, 64, 0.5, unit="pixels"), "σ of the saliency's Gaussian blur."] = 0.0


def run_centre(model: Classifier, question: Question, params: CentreParams) -> Working:
    """Yields no step."""
    return told(
        model,
        question,
        centre(question.images),
        "How near the picture's middle; neither network nor picture was looked at.",
    )
    yield  # makes this a generator, like every method


def run_blur_difference(model: Classifier, question: Question, params: BlurDifferenceParams) -> Working:
    """Yields no step."""
    saliency = gaussian(blur_difference(question.images, params.sigma), params.blur)
    return told(model, question, saliency, "Edges and texture of the picture; the network was not looked at.")
    yield  # makes this a generator, like every method


def told(model: Classifier, question: Question, saliency: Saliency, outcome: str) -> Explanation:
    """The map with the prediction, in which alone the network has a part."""
    rows = len(question.images)
    with torch.no_grad():
        before = model(question.images)
    return Explanation(
        saliency=saliency,
        before=before,
        outcomes=(outcome,) * rows,
        passes=(Passes(1, 0),) * rows,
        numbers={"probability": pick(model.probabilities(before), question.target)},
    )


def centre(x: Images) -> Saliency:
    """1 in the middle, 0 in the corners; distances in pixels."""
    down, across = (torch.arange(side).to(x) - (side - 1) / 2 for side in x.shape[2:])
    distance = torch.hypot(down[:, None], across[None, :])
    near = 1 - distance / distance.amax().clamp_min(1)
    return near.expand(len(x), -1, -1).clone()


def blur_difference(x: Images, sigma: float) -> Saliency:
    """The root mean square over channels of what a blur with σ in pixels takes away."""
    blurred = gaussian(x.flatten(0, 1), sigma).view_as(x)
    return (x - blurred).square().mean(1).sqrt()


def cost(_: Params) -> float:
    return 0.5


CENTRE = Method(
    name="centre",
    title="Centre",
    summary="How near the picture's middle a pixel is: a baseline that looks at nothing.",
    citation="Baseline of the pointing game: Zhang et al., Top-down Neural Attention, ECCV 2016.",
    run=run_centre,
    params=CentreParams,
    rho="none",
    cost=cost,
    limits="Explains nothing; objects tend to be photographed in the middle.",
)
BLUR_DIFFERENCE = Method(
    name="blur-difference",
    title="Blur difference",
    summary="How much a blur changes a pixel: a baseline that sees edges, not the network.",
    citation="Baseline of Elliott, Law & Russell, Adversarial Perturbations on the Perceptual Ball, CVPR 2021.",
    run=run_blur_difference,
    params=BlurDifferenceParams,
    rho="none",
    cost=cost,
    limits="Explains nothing about the network or the class.",
)
