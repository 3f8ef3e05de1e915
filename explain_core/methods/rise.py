"""RISE (Petsiuk, Das & Saenko 2018): how well the class does, on average, when a pixel is left to be seen.

    S[u] = 1/(N p) Σ_i s(x ⊙ M_i) M_i[u],   s the class's probability,

over N masks M_i: a grid of cells, each kept with probability p, enlarged bilinearly and shifted at random by up
to a cell.  ⊙ acts on the normalised picture, so that what is hidden has the mean colour (knob `fill`).
One forward pass a mask; masks are made when they are needed, and never kept.

`divide=actual` puts Σ_i M_i[u] in the place of N p: the same limit, without the noise of how often a pixel
happened to be seen.  `centred` subtracts the mean score (which a pixel without influence has, in the limit), so that
the map is signed.  With `precision` a row ends once the map's standard error is that share of its range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from explain_core.methods.base import FEW_PICTURES, Method
from explain_core.methods.masked import MaskedParams, fill_of, memory, passes_of, score_of
from explain_core.methods.pixels import told
from explain_core.models.classifier import Classifier
from explain_core.params import Choice, Range
from explain_core.sampling import Stream, Tally, accumulate, generators
from explain_core.types import Explanation, PerRow, Question, Saliency, Working


@dataclass(frozen=True)
class RiseParams(MaskedParams):
    samples: Annotated[int, Range(10, 20_000, 10, unit="masks"), "N: masks, one forward pass each."] = 4000
    grid: Annotated[int, Range(2, 32, 1, unit="cells"), "Cells of a mask along each side."] = 7
    keep: Annotated[float, Range(0.05, 0.95, 0.05), "p: the probability that a cell is kept."] = 0.5
    divide: Annotated[
        str,
        Choice(("expected", "actual")),
        "By what the sum is divided: N·p as published, or the masks' own sum, which has the same limit and less noise.",
    ] = "expected"
    centred: Annotated[
        bool, "Subtract the mean score, which every pixel has: signed, and easier to look at; the order stays."
    ] = False
    precision: Annotated[
        float, Range(0, 0.5, 0.01, unit="of the map's range"), "Ends at this standard error; 0 uses all samples."
    ] = 0.0

    def map_of(self, tally: Tally) -> Tensor:
        """(h, w)."""
        found = tally.ratio if self.divide == "actual" else tally.mean / self.keep
        return found - tally.scores.mean() if self.centred and tally.count else found

    def error_of(self, tally: Tally) -> Tensor:
        """(h, w): the map's standard error."""
        return tally.ratio_error() if self.divide == "actual" else tally.mean_error() / self.keep

    def errors(self, tally: Tally) -> tuple[Tensor, Tensor]:
        """The map's standard error, root mean square over pixels; and as a share of the map's range."""
        low, high = self.map_of(tally).aminmax()
        error = self.error_of(tally).square().mean().sqrt()
        return error, error / (high - low) if high > low else torch.full_like(error, torch.inf)


@dataclass(frozen=True)
class Draws:
    """A row's masks before they are enlarged: `cells` (N, s, s) bool, `shifts` (N, 2) in pixels."""

    cells: Tensor
    shifts: Tensor


def run(model: Classifier, question: Question, params: RiseParams) -> Working:
    """Yields a step after each pass of masked pictures."""
    x = question.images
    height, width = x.shape[2:]
    draws = [draw(source, params, height, width) for source in generators(question, "rise")]

    def masks(row: int, start: int, stop: int) -> Tensor:
        return enlarged(draws[row].cells[start:stop].to(x), draws[row].shifts[start:stop].to(x.device), height, width)

    stream = Stream(
        count=params.samples,
        masks=masks,
        fill=fill_of(model, x, params.fill),
        score=score_of(model, params),
        bfloat16=params.bfloat16,
        weights=lambda masks: masks,
        estimate=params.map_of,
        enough=lambda _, tally: params.precision > 0 and bool(params.errors(tally)[1] <= params.precision),
    )
    before, tallies = yield from accumulate(model, question, stream)
    saliency = torch.stack([params.map_of(tally) for tally in tallies]).to(x)
    return Explanation(
        saliency=saliency,
        before=before,
        outcomes=outcomes(saliency, tallies, params),
        passes=passes_of(tallies, params),
        numbers=numbers(tallies, params, x.dtype),
    )


def draw(source: torch.Generator, params: RiseParams, height: int, width: int) -> Draws:
    """All of a row's draws at once: 65 bytes a mask, at 7 × 7 cells."""
    shape = (params.samples, params.grid, params.grid)
    cells = torch.rand(shape, generator=source, dtype=torch.float64) < params.keep
    room = torch.tensor([math.ceil(height / params.grid), math.ceil(width / params.grid)])
    shifts = (torch.rand(params.samples, 2, generator=source, dtype=torch.float64) * room).long()
    return Draws(cells, shifts)


def enlarged(cells: Tensor, shifts: Tensor, height: int, width: int) -> Tensor:
    """Masks (k, h, w) of grids (k, s, s): s + 1 cells' worth of pixels, cut at the shift (k, 2)."""
    down, across = (
        stretch(side, cells.shape[-1], cells)[shift[:, None] + torch.arange(side, device=cells.device)]
        for side, shift in ((height, shifts[:, 0]), (width, shifts[:, 1]))
    )
    return down @ cells @ across.transpose(1, 2)


def stretch(side: int, grid: int, like: Tensor) -> Tensor:
    """((s + 1) · ⌈side / s⌉, s): bilinear interpolation along one side, centres on centres, mirrored at the ends."""
    length = (grid + 1) * math.ceil(side / grid)
    place = (torch.arange(length, dtype=torch.float64) + 0.5) * grid / length - 0.5
    lower = place.floor()
    weights = torch.zeros(length, grid, dtype=torch.float64)
    for cell, share in ((lower, 1 - (place - lower)), (lower + 1, place - lower)):
        inside = (grid - 1 - (grid - 1 - cell.abs()).abs()).long()
        weights.scatter_add_(1, inside[:, None], share[:, None])
    return weights.to(like)


def numbers(tallies: list[Tally], params: RiseParams, dtype: torch.dtype) -> dict[str, PerRow]:
    """A row that was dropped before its second sample, or has no contrast, has zeros for errors."""
    errors = torch.stack([torch.stack(params.errors(tally)) for tally in tallies])
    errors = errors.where(errors.isfinite(), 0).to(dtype)
    counts = errors.new_tensor([tally.count for tally in tallies])
    return {"masks": counts, "standard error": errors[:, 0], "relative error": errors[:, 1]}


def outcomes(saliency: Saliency, tallies: list[Tally], params: RiseParams) -> tuple[str, ...]:
    texts = told(saliency, f"The class's {params.objective} where a pixel is seen,")
    return tuple(
        text
        if text.startswith("Empty")
        else f"{text} over {tally.count} masks; standard error {float(params.errors(tally)[1]):.1%} of the map's range."
        for text, tally in zip(texts, tallies, strict=True)
    )


def cost(params: RiseParams) -> float:
    return (params.samples + 1) / 2


METHOD = Method(
    name="rise",
    title="RISE",
    summary="How well the class does on average when a pixel is left to be seen.",
    citation="Petsiuk, Das & Saenko, RISE: Randomized Input Sampling for Explanation, BMVC 2018.",
    run=run,
    params=RiseParams,
    rho="none",
    cost=cost,
    memory=memory,
    least=lambda _: FEW_PICTURES,
    limits="4,000 forward passes a picture as published: minutes on a processor. Coarse, and noisy with few masks.",
    prepared=True,
)
