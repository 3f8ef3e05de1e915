"""Occlusion by a sliding patch (Zeiler & Fergus 2014, §4.2): what the class loses when a part is covered.

    S[u] = mean over patches P that cover u of  s(x) − s(x covered by P),

with s the class's probability.  Patches lie every `stride` pixels; where that does not reach the edge, one more
lies flush with it, so that every pixel is covered.  One forward pass a patch.
Departure: the map is spread over pixels by the mean of all patches that cover them (as the stability metric of
Schwartz, Alparslan & Kim 2020 has it), where the original draws one value per patch position.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from explain_core.errors import ParamError
from explain_core.methods.base import FEW_PICTURES, Method
from explain_core.methods.masked import FILLS, MaskedParams, fill_of, memory, passes_of, score_of
from explain_core.methods.pixels import told
from explain_core.models.classifier import Classifier
from explain_core.params import Choice, Range
from explain_core.sampling import Stream, Tally, accumulate
from explain_core.types import Explanation, Question, Working

PATCHES, STRIDES = 7, 14  # auto: so many patches, and steps, go into the shorter side
TYPICAL = 224


@dataclass(frozen=True)
class OcclusionParams(MaskedParams):
    patch: Annotated[
        int | None, Range(1, 512, 1, unit="pixels"), "Side of the patch; auto is a seventh of the shorter side."
    ] = None
    stride: Annotated[
        int | None, Range(1, 512, 1, unit="pixels"), "From patch to patch, at most the patch; auto is a fourteenth."
    ] = None
    fill: Annotated[str, Choice(FILLS), "What the patch shows; mean is the network's zero."] = "grey"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patch is not None and self.stride is not None and self.stride > self.patch:
            raise ParamError(f"stride = {self.stride}: it must be at most patch = {self.patch}; no pixel is left out.")

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """(patch, stride) on a picture of this size; neither exceeds the shorter side."""
        side = min(height, width)
        patch = min(side, self.patch or max(1, round(side / PATCHES)))
        return patch, min(patch, self.stride or max(1, round(side / STRIDES)))


def run(model: Classifier, question: Question, params: OcclusionParams) -> Working:
    """Yields a step after each pass of patches."""
    x = question.images
    height, width = x.shape[2:]
    patch, stride = params.grid(height, width)
    corners = torch.cartesian_prod(starts(height, patch, stride), starts(width, patch, stride)).to(x.device)
    stream = Stream(
        count=len(corners),
        masks=lambda _, start, stop: uncovered(corners[start:stop], patch, height, width).to(x),
        fill=fill_of(model, x, params.fill),
        score=score_of(model, params),
        bfloat16=params.bfloat16,
        errors=False,
        weights=lambda masks: 1 - masks,
        estimate=mean_drop,
    )
    before, tallies = yield from accumulate(model, question, stream)
    saliency = torch.stack([mean_drop(tally) for tally in tallies]).to(x)
    return Explanation(
        saliency=saliency,
        before=before,
        outcomes=told(
            saliency,
            f"What the class's {params.objective} loses where it is covered: "
            f"{len(corners)} patches of {patch} × {patch} pixels, every {stride}.",
        ),
        passes=passes_of(tallies, params),
    )


def starts(side: int, patch: int, stride: int) -> Tensor:
    """Where patches begin along one side, the last one flush with the edge.

    >>> starts(32, 4, 2).numel(), starts(32, 2, 2).numel(), starts(10, 4, 4).tolist()
    (15, 16, [0, 4, 6])
    """
    regular = list(range(0, side - patch + 1, stride))
    return torch.tensor(sorted({*regular, side - patch}))


def uncovered(corners: Tensor, patch: int, height: int, width: int) -> Tensor:
    """(k, h, w) bool: what patches with these corners (k, 2) leave to be seen."""
    row, column = (torch.arange(side, device=corners.device) for side in (height, width))
    down, across = (
        (line >= corner[:, None]) & (line < corner[:, None] + patch)
        for line, corner in ((row, corners[:, 0]), (column, corners[:, 1]))
    )
    return ~(down[:, :, None] & across[:, None, :])


def mean_drop(tally: Tally) -> Tensor:
    """Zero where no patch has been yet."""
    return tally.origin.where(tally.cover > 0, 0) - tally.ratio


def cost(params: OcclusionParams) -> float:
    """On a picture of 224 × 224."""
    patch, stride = params.grid(TYPICAL, TYPICAL)
    return (len(starts(TYPICAL, patch, stride)) ** 2 + 1) / 2


METHOD = Method(
    name="occlusion",
    title="Occlusion",
    summary="What the class loses when a patch slides over the picture.",
    citation="Zeiler & Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014.",
    run=run,
    params=OcclusionParams,
    rho="none",
    cost=cost,
    memory=memory,
    least=lambda _: FEW_PICTURES,
    limits="As coarse as the patch; a grey patch is itself something the network sees.",
    prepared=True,
)
