"""A perturbation generator for each picture (after Rey-de-Castro & Rabitz 2018); experimental.

A small convolutional network G, with weights of its own for each row, reads the picture and says how to change it:

    x̂ = x + G(x)·(1 − x) where G(x) ≥ 0, x + G(x)·x elsewhere,   minimise  −ln(1 − s(x̂)) + α·mean|x̂ − x|,

s the class's probability, G in (−1, 1), so that x̂ never leaves [0, 1].  Adam on the weights, from G = 0.  Pixels that
moved by less than ε in every channel are then put back, and the class is scored on what remains.

Shoshan & Ratner could not make such generators converge on mammograms: the mask was nearly full or empty.
Departures: one network for each picture instead of one for all; the class term is the cross-entropy of not being
the class, which does not saturate; no smoothness term, as published.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor
from torch.func import vmap
from torch.nn import functional as F

from explain_core.descent.loop import Found, descend
from explain_core.descent.plan import Plan
from explain_core.descent.projections import inside, rms, shrunk
from explain_core.descent.rules import adam
from explain_core.descent.view import Rows, View
from explain_core.methods.ape import largest_difference, mask_in_words
from explain_core.methods.base import FEW_PICTURES, Method
from explain_core.methods.outcomes import decision, reach
from explain_core.models.classifier import Classifier
from explain_core.params import Params, Range
from explain_core.sampling import generators
from explain_core.types import Explanation, Images, Passes, PerRow, Question, Working

KERNEL = 3


@dataclass(frozen=True)
class GeneratorParams(Params):
    layers: Annotated[int, Range(1, 30, 1, unit="layers"), "Convolutions of the generator."] = 3
    filters: Annotated[int, Range(1, 128, 1, unit="filters"), "Filters of each convolution but the last."] = 8
    alpha: Annotated[float, Range(0, 10_000), "α: weight of the change's L1 norm."] = 100.0
    steps: Annotated[int, Range(5, 2000, 5, unit="steps"), "Adam steps on the generator's weights."] = 300
    rate: Annotated[float, Range(1e-5, 0.1, log=True), "Adam's rate."] = 0.003
    epsilon: Annotated[float, Range(0.001, 0.2, 0.001, unit="of the pixel range"), "ε: the change that counts."] = 0.01

    def shapes(self, channels: int) -> list[tuple[int, int]]:
        """(out, in) channels of each convolution."""
        widths = [channels, *[self.filters] * (self.layers - 1), channels]
        return [(after, before) for before, after in pairwise(widths)]


def run(model: Classifier, question: Question, params: GeneratorParams) -> Working:
    rows = Rows(question.images, question.target, question.rho)
    found = yield from descend(model, plan_of(model, rows, drawn(question, params), params))
    return explained(model, rows, found, params)


def plan_of(model: Classifier, rows: Rows, start: Tensor, params: GeneratorParams) -> Plan:
    shapes = params.shapes(rows.x.shape[1])

    def compose(z: Tensor, rows: Rows) -> Images:
        moved = vmap(lambda weights, picture: generated(weights, picture, shapes))(z, rows.x)
        image = rows.x + moved * (1 - rows.x).where(moved >= 0, rows.x)
        return image if rows.rho is None else shrunk(image, rows.x, rows.rho)

    def loss(view: View) -> PerRow:
        believed = F.softplus(model.log_odds(view.logits, view.rows.target))
        return believed + params.alpha * (view.image - view.rows.x).abs().flatten(1).mean(1)

    return Plan(
        rows=rows,
        start=start,
        compose=compose,
        loss=loss,
        rule=adam(params.rate),
        score=lambda view: -view.loss,
        steps=params.steps,
    )


def generated(weights: Tensor, picture: Tensor, shapes: list[tuple[int, int]]) -> Tensor:
    """What a generator with these weights (p,) makes of a picture (c, h, w): a change in (−1, 1), shaped like it."""
    x, place = picture[None] - 0.5, 0
    for number, (after, before) in enumerate(shapes):
        size = after * before * KERNEL**2
        kernel = weights[place : place + size].view(after, before, KERNEL, KERNEL)
        x = F.conv2d(F.relu(x) if number else x, kernel, weights[place + size : place + size + after], padding="same")
        place += size + after
    return x[0].tanh()


def drawn(question: Question, params: GeneratorParams) -> Tensor:
    """First weights (n, p): He's for rectifiers, drawn from each row's key; the last convolution starts at zero."""
    shapes = params.shapes(question.images.shape[1])
    rows = []
    for source in generators(question, "generator"):
        parts = []
        for number, (after, before) in enumerate(shapes):
            spread = math.sqrt(2 / (before * KERNEL**2)) if number < len(shapes) - 1 else 0.0
            size = after * before * KERNEL**2
            parts += [spread * torch.randn(size, generator=source, dtype=torch.float64), torch.zeros(after).double()]
        rows.append(torch.cat(parts))
    return torch.stack(rows).to(question.images)


def explained(model: Classifier, rows: Rows, found: Found, params: GeneratorParams) -> Explanation:
    change = largest_difference(found.image, rows.x)
    mask = change >= params.epsilon
    image = inside(found.image, rows.x, mask).clamp(0, 1)
    with torch.no_grad():
        after = model(image)
    share = mask.flatten(1).to(change).mean(1)
    told = zip(
        share.tolist(),
        reach(rms(image - rows.x), rows.rho),
        decision(model, rows.target, found.first, after),
        strict=True,
    )
    return Explanation(
        saliency=change,
        before=found.first,
        after=after,
        perturbed=image,
        mask=mask,
        outcomes=tuple(mask_in_words(part) + f"{used} {fell}" for part, used, fell in told),
        passes=tuple(spent + Passes(1, 0) for spent in found.passes),
        numbers={"loss": found.loss, "mask share": share},
        trace={"loss": found.traced},
    )


def cost(params: GeneratorParams) -> float:
    return params.steps + 1


def memory(params: GeneratorParams) -> float:
    """The generator's activations, there and back."""
    return FEW_PICTURES + 3.0 * params.layers * params.filters


METHOD = Method(
    name="generator",
    title="Perturbation generator (experimental)",
    summary="What a small network, trained on this picture alone, changes to take the class away.",
    citation="Rey-de-Castro & Rabitz, Targeted Nonlinear Adversarial Perturbations in Images and Videos, 2018.",
    run=run,
    params=GeneratorParams,
    rho="optional",
    cost=cost,
    memory=memory,
    least=lambda params: FEW_PICTURES + 3.0 * params.filters,
    sensitive=True,
    limits="Experimental: the change often follows edges rather than the class, and its mask is nearly full or empty.",
)
