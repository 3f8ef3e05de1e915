"""RISE once more, in a few plain lines from the paper: all masks at once, batches of masked pictures, one sum.

Cells, shifts and their random numbers are those of our own draw, so that both have the same masks.  Masks are enlarged
by torch's sampling of a grid, because `F.interpolate` does not mirror at the ends as the paper's code does.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from explain_core.bench.rivals.base import PLAIN, Asked, Rival, Ways, correlation, relative
from explain_core.errors import CannotExplain
from explain_core.methods.masked import score_of
from explain_core.methods.rise import RiseParams, draw
from explain_core.models.classifier import Classifier
from explain_core.sampling import generators, has_bfloat16
from explain_core.types import Explanation, Question, Saliency

BATCHES = (8, 16, 32, 64)


def rise(asked: Asked) -> Ways:
    work = partial(plain, asked.model, asked.question, asked.params)
    return {f"{size} masks a pass": partial(work, size) for size in BATCHES}


def halved(asked: Asked) -> Ways:
    """Theirs in float32, ours in bfloat16; raises CannotExplain where the device is not good at that."""
    if not has_bfloat16(asked.question.images.device):
        raise CannotExplain("This device is no faster in bfloat16 than in float32.")
    return rise(asked)


def few(_: Question, *, bfloat16: bool = False) -> dict[str, Any]:
    return {"samples": 200, "bfloat16": bfloat16}


@torch.no_grad()
def plain(model: Classifier, question: Question, params: RiseParams, size: int) -> Saliency:
    """(n, h, w); what is hidden is the network's zero, as published."""
    score = score_of(model, params)
    shown = (question.images - model.mean) / model.std
    height, width = shown.shape[2:]
    maps = []
    for row, source in enumerate(generators(question, "rise")):
        drawn = draw(source, params, height, width)
        masks = masks_of(drawn.cells.to(shown), drawn.shifts.to(shown), height, width)
        target = question.target[row : row + 1]
        scores = [
            score(model.present(model.net(shown[row] * some[:, None])), target.expand(len(some)))
            for some in torch.split(masks, size)
        ]
        maps.append(torch.einsum("k,khw->hw", torch.cat(scores), masks) / (len(masks) * params.keep))
    return torch.stack(maps)


def masks_of(cells: Tensor, shifts: Tensor, height: int, width: int) -> Tensor:
    """(N, h, w): cells (N, s, s) enlarged to s + 1 cells' worth of pixels and cut out at the shifts (N, 2)."""
    down, across = (
        places(shift, side, cells.shape[-1]) for shift, side in ((shifts[:, 0], height), (shifts[:, 1], width))
    )
    grid = torch.stack(
        [across[:, None].expand(-1, height, -1), down[:, :, None].expand(-1, -1, width)], dim=-1
    )  # torch counts x before y
    return F.grid_sample(cells[:, None], grid, padding_mode="reflection", align_corners=True)[:, 0]


def places(shift: Tensor, side: int, cells: int) -> Tensor:
    """(N, side): where each pixel lies, −1 in the middle of the first cell and 1 in that of the last."""
    length = (cells + 1) * math.ceil(side / cells)
    pixel = shift[:, None] + torch.arange(side, device=shift.device)
    return ((pixel + 0.5) * cells / length - 0.5) * 2 / (cells - 1) - 1


def same_map(_: Asked, ours: Explanation, theirs: Saliency) -> dict[str, float]:
    return {**correlation(ours.saliency, theirs), **relative(ours.saliency, theirs)}


RIVALS = (
    Rival("rise", PLAIN, "batched from the paper, same masks", rise, same_map, few),
    Rival("rise", PLAIN, "the same, ours in bfloat16", halved, same_map, partial(few, bfloat16=True)),
)
