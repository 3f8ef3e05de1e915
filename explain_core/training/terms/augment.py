"""Augmentation of the pictures in a batch: pad, crop, flip (AE §III-B, CIFAR-10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch.nn import functional as F

from explain_core.models.classifier import Classifier
from explain_core.params import Choice, Params, Range
from explain_core.training.batch import Batch
from explain_core.training.terms.base import Setting, Term, TermRow


@dataclass(frozen=True)
class CropParams(Params):
    pad: Annotated[int, Range(0, 64, unit="pixels"), "Pixels added at each edge, of which a crop is taken."] = 4
    edges: Annotated[
        str, Choice(("reflect", "replicate", "constant")), "What is added; the authors' code has replicate."
    ] = "reflect"
    flip: Annotated[bool, "Mirror every second picture, left to right."] = True


class CropAndFlip(Term):
    def __init__(self, params: CropParams, setting: Setting) -> None:
        self.params = params

    def prepare(self, batch: Batch, model: Classifier) -> Batch:
        params, (height, width) = self.params, batch.pixels.shape[2:]
        draws = batch.uniform("augment", 3).cpu()
        padded = F.pad(batch.pixels, (params.pad,) * 4, mode=params.edges) if params.pad else batch.pixels
        corners = (draws[:, :2] * (2 * params.pad + 1)).int().tolist()
        pictures = [
            picture[:, top : top + height, left : left + width]
            for picture, (top, left) in zip(padded, corners, strict=True)
        ]
        if params.flip:
            mirrored = (draws[:, 2] < 0.5).tolist()
            pictures = [picture.flip(2) if flip else picture for picture, flip in zip(pictures, mirrored, strict=True)]
        return batch.showing(torch.stack(pictures))


CROP_AND_FLIP = TermRow(
    name="crop-and-flip",
    title="Crop and flip",
    summary="Shifts every picture by some pixels and mirrors every second one.",
    citation="AE §III-B (CIFAR-10).",
    params=CropParams,
    build=CropAndFlip,
)
