"""Extremal perturbation (Fong, Patrick & Vedaldi 2019): for each area, the smooth mask of it that the class likes best.

    m_a = argmax_m  f(x ∘ m) − λ · mean((sort(m) − r_a)²),   r_a = zeros, then ones in a share a of the mask,

with f the class logit and m smooth by construction (`smooth_mask.py`).  x ∘ m shows each pixel through a fog: level
m(u) of eight, from the picture blurred with σ = 20 pixels of 224 to the picture itself.  Ascent with SGD (rate
0.01, momentum and dampening 0.9), from a mask that keeps everything; λ grows from 300 by 0.35 % a step; at every
other step the network sees the picture mirrored.  All areas of all rows are optimised as one batch.
The map is the sum over areas of the masks, blurred (σ 0.09 of the shorter side, zeros outside).

`goal`: preserve f(x ∘ m), delete −f(x ∘ (1 − m)), dual their sum.  `contrastive`: f is the class's margin.
Departures: lengths that were pixels of 224 (cells of 7, σ 20) are shares of the shorter side; networks that put
out maps are scored at their best position, not by the mean; the mask returned is the one after the last step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from explain_core.descent.loop import Found, descend
from explain_core.descent.plan import Plan
from explain_core.descent.rules import average, chain, scaled
from explain_core.descent.view import Rows, View
from explain_core.errors import ParamError
from explain_core.methods.base import FEW_PICTURES, Method
from explain_core.methods.outcomes import decision
from explain_core.methods.smooth_mask import Raster
from explain_core.methods.smoothing import gaussian
from explain_core.models.classifier import Classifier, pick
from explain_core.params import Choice, Params, Pattern, Range
from explain_core.types import Explanation, Images, Logits, Passes, PerRow, Question, Working

LEVELS = 8
FOG = 20 / 224  # σ of the most blurred level, of the shorter side
CELLS = 32  # auto: along the shorter side
RATE, MOMENTUM = 0.01, 0.9
GROWTH = 1.0035  # of λ, at each step
ANOTHER_AREA = 200.0  # pictures' worth of memory, with what the network keeps for its way back


@dataclass(frozen=True)
class ExtremalPerturbationParams(Params):
    areas: Annotated[
        str,
        Pattern(r"0?\.\d+(, *0?\.\d+)*", "shares of the picture, such as '0.1' or '0.025, 0.05, 0.1, 0.2'"),
        "Areas of the masks, at most 8; each costs all the steps.",
    ] = "0.1"
    goal: Annotated[
        str, Choice(("preserve", "delete", "dual")), "What the mask's part of the picture does to the class."
    ] = "preserve"
    contrastive: Annotated[bool, "The class less the best other class."] = False
    perturbation: Annotated[str, Choice(("blur", "fade")), "What hides: blur, or the network's mean colour."] = "blur"
    steps: Annotated[int, Range(5, 2000, 5, unit="steps"), "Steps of SGD."] = 800
    area_weight: Annotated[float, Range(0, 10_000), "λ: weight of the area at the start."] = 300.0
    cell: Annotated[
        int | None, Range(1, 64, 1, unit="pixels"), "Between the mask's cells; auto is 1/32 of the shorter side."
    ] = None
    smooth: Annotated[
        float, Range(0, 0.2, 0.01, unit="of the shorter side"), "σ of the map's Gaussian blur; 0 shows the masks."
    ] = 0.09

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(self.shares) or len(self.shares) > 8:
            raise ParamError(f"areas = {self.areas!r}: give 1 to 8 shares of the picture, each above 0.")

    @property
    def shares(self) -> tuple[float, ...]:
        """From the smallest to the largest."""
        return tuple(sorted({float(area) for area in self.areas.split(",")}))

    def raster(self, height: int, width: int) -> Raster:
        side = min(height, width)
        return Raster(height, width, min(side, self.cell or max(1, round(side / CELLS))))


def run(model: Classifier, question: Question, params: ExtremalPerturbationParams) -> Working:
    x, areas = question.images, len(params.shares)
    with torch.no_grad():
        before = model(x)
    names = torch.arange(len(x), device=x.device).repeat_interleave(areas)
    shares = x.new_tensor(params.shares).repeat(len(x))
    rows = Rows(x[names], question.target[names], extra={"levels": levels(model, x, params)[names], "area": shares})
    masks = Masks(params.raster(*x.shape[2:]))
    found = yield from descend(model, plan_of(model, rows, masks, params), labels=names)
    return explained(model, question, found, masks, before, params)


class Masks:
    """Masks of cells; the last is kept, because picture and loss both need it."""

    def __init__(self, raster: Raster) -> None:
        self.raster = raster
        self._cells: Tensor | None = None
        self._mask = torch.empty(0)

    def of(self, cells: Tensor) -> Tensor:
        """(n, h', w') with its margin."""
        if self._cells is not cells:
            self._cells, self._mask = cells, self.raster.mask(cells)
        return self._mask

    def on_picture(self, cells: Tensor) -> Tensor:
        """(n, h, w)."""
        return self.raster.inner(self.of(cells))


def plan_of(model: Classifier, rows: Rows, masks: Masks, params: ExtremalPerturbationParams) -> Plan:
    like = model.margin if params.contrastive else pick

    def shown(z: Tensor, rows: Rows) -> Images:
        return through(rows.extra["levels"], masks.on_picture(z))

    def hidden(z: Tensor, rows: Rows) -> Images:
        return through(rows.extra["levels"], 1 - masks.on_picture(z))

    def loss(view: View) -> PerRow:
        score = like(view.logits, view.rows.target)
        if params.goal == "dual":
            image = mirrored(hidden(view.z, view.rows), view.rows, view.step)
            score = score - like(model(image), view.rows.target)
        weight = params.area_weight * GROWTH**view.step
        return (score if params.goal == "delete" else -score) + weight * excess(masks.of(view.z), view.rows)

    return Plan(
        rows=rows,
        start=rows.x.new_ones(len(rows), *masks.raster.grid),
        compose=hidden if params.goal == "delete" else shown,
        loss=loss,
        rule=chain(average(MOMENTUM, whole_first=True), scaled(lambda _: RATE)),
        project=lambda z, _: z.clamp(0, 1),
        jitter=mirrored,
        steps=params.steps,
    )


def mirrored(image: Images, _: Rows, step: int) -> Images:
    """Left and right exchanged at every other step, from the first."""
    return image.flip(3) if step % 2 == 0 else image


def excess(mask: Tensor, rows: Rows) -> PerRow:
    """How far the sorted mask is from zeros, then ones in a share `area` of it: the mean square."""
    values = mask.flatten(1).sort(dim=1).values
    zeros = (values.shape[1] * (1 - rows.extra["area"])).floor()
    wanted = torch.arange(values.shape[1], device=values.device) >= zeros[:, None]
    return (values - wanted.to(values)).square().mean(1)


def levels(model: Classifier, x: Images, params: ExtremalPerturbationParams) -> Tensor:
    """(n, levels, c, h, w), from nothing to the picture; blurs fade to the mean colour at the edges, as published."""
    zero = model.mean.to(x)
    if params.perturbation == "fade":
        return torch.stack([zero.expand_as(x), x], dim=1)
    sigmas = [FOG * min(x.shape[2:]) * (1 - level / (LEVELS - 1)) for level in range(LEVELS)]
    flat = (x - zero).flatten(0, 1)
    return torch.stack([zero + gaussian(flat, sigma, edges="constant").view_as(x) for sigma in sigmas], dim=1)


def through(levels: Tensor, mask: Tensor) -> Images:
    """Each pixel at the mask's level (n, h, w), interpolated linearly between neighbouring levels."""
    place = mask * (levels.shape[1] - 1)
    below = place.detach().floor().clamp(0, levels.shape[1] - 2)
    index = below.long()[:, None, None].expand(-1, 1, *levels.shape[2:])
    low, high = levels.gather(1, index)[:, 0], levels.gather(1, index + 1)[:, 0]
    return low + (place - below)[:, None] * (high - low)


def explained(
    model: Classifier,
    question: Question,
    found: Found,
    masks: Masks,
    before: Logits,
    params: ExtremalPerturbationParams,
) -> Explanation:
    """Picture and mask are those of the largest area."""
    x, areas = question.images, len(params.shares)
    mask = masks.on_picture(found.z).view(len(x), areas, *x.shape[2:])
    blurred = gaussian(mask.flatten(0, 1), params.smooth * min(x.shape[2:]), edges="constant")
    image = found.image.view(len(x), areas, *x.shape[1:])[:, -1].clamp(0, 1)
    with torch.no_grad():
        after = model(image)
    beliefs = [
        pick(model.probabilities(logits), question.target) for logits in found.logits.view(len(x), areas, -1).unbind(1)
    ]
    share = mask[:, -1].flatten(1).mean(1)
    fell = decision(model, question.target, before, after)
    return Explanation(
        saliency=blurred.view_as(mask).sum(1),
        before=before,
        after=after,
        perturbed=image,
        mask=mask[:, -1] >= 0.5,
        outcomes=tuple(told(row, beliefs, params) + text for row, text in enumerate(fell)),
        passes=spent(found, len(x), params),
        numbers={
            "mask share": share,
            **{f"class at {area:g}": belief for area, belief in zip(params.shares, beliefs, strict=True)},
        },
        trace={
            f"loss at {area:g}": curve
            for area, curve in zip(params.shares, found.traced.view(-1, len(x), areas).unbind(2), strict=True)
        },
    )


def told(row: int, beliefs: list[PerRow], params: ExtremalPerturbationParams) -> str:
    how: Callable[[float], str] = ("{:.1%} hidden" if params.goal == "delete" else "{:.1%} shown").format
    texts = [f"{how(area)}: {float(belief[row]):.1%}" for area, belief in zip(params.shares, beliefs, strict=True)]
    return f"The class with {', '.join(texts)}. "


def spent(found: Found, rows: int, params: ExtremalPerturbationParams) -> tuple[Passes, ...]:
    """Of all areas; dual spends each pass twice; one pass before, and one of the picture returned."""
    twice, areas = 2 if params.goal == "dual" else 1, len(params.shares)
    by_row = [found.passes[row * areas : (row + 1) * areas] for row in range(rows)]
    return tuple(sum((each for each in own for _ in range(twice)), Passes(2, 0)) for own in by_row)


def cost(params: ExtremalPerturbationParams) -> float:
    return len(params.shares) * (params.steps + 0.5) * (2 if params.goal == "dual" else 1) + 1


def memory(params: ExtremalPerturbationParams) -> float:
    """The levels and a few masks; each further area is a row of the network's own."""
    return 2 * LEVELS + 2 * FEW_PICTURES + (len(params.shares) - 1) * ANOTHER_AREA


def least(params: ExtremalPerturbationParams) -> float:
    """The same where what the network keeps is put aside."""
    return 2 * LEVELS + FEW_PICTURES * (1 + len(params.shares))


METHOD = Method(
    name="extremal-perturbation",
    title="Extremal perturbation",
    summary="Of all smooth masks of an area, the one that the class likes best.",
    citation="Fong, Patrick & Vedaldi, Understanding Deep Networks via Extremal Perturbations and Smooth Masks, "
    "ICCV 2019.",
    run=run,
    params=ExtremalPerturbationParams,
    rho="none",
    cost=cost,
    memory=memory,
    least=least,
    sensitive=True,  # measured on photographs: a batch and single rows part, Spearman 0.993 after 100 steps
    limits="800 steps for each area: minutes without an accelerator. The area is given, not found.",
    prepared=True,
)
