"""Augmentation of the pictures in a batch.

random-scale    from a larger picture, a crop of the network's size at a random scale (AE §III-I: ImageNet, COCO)
crop-and-flip   pad, crop, flip (AE §III-I: CIFAR-10)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F

from explain_core.errors import ParamError
from explain_core.models.classifier import Classifier
from explain_core.params import Choice, Params, Range
from explain_core.training.batch import Batch
from explain_core.training.terms.base import Setting, Term, TermRow


@dataclass(frozen=True)
class ScaleParams(Params):
    smallest: Annotated[int, Range(8, 4096, unit="pixels"), "The smallest short side before the crop."] = 256
    largest: Annotated[int, Range(8, 4096, unit="pixels"), "The largest, in which pictures are kept."] = 480

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smallest > self.largest:
            raise ParamError(f"smallest = {self.smallest}: it is above largest = {self.largest}; exchange them.")


class RandomScale(Term):
    """A picture whose short side is s, drawn evenly, and of it a random square of the network's size.

    Departure: the square is taken from the picture's centre, `largest` × `largest`, never from its ends.
    """

    def __init__(self, params: ScaleParams, setting: Setting) -> None:
        size = setting.model.input.size
        if size is None or max(size) > params.smallest:
            takes = "pictures of any size" if size is None else f"{size[1]} × {size[0]} pixels"
            raise ParamError(f"random-scale: the network takes {takes}; it must be a size of at most `smallest`.")
        self.params, self.size = params, size

    def prepare(self, batch: Batch, model: Classifier) -> Batch:
        low, high = self.params.smallest, self.params.largest
        draws = batch.uniform("random scale", 3).tolist()
        cut = [
            self.cut(picture, low + round(scale * (high - low)), down, right)
            for picture, (scale, down, right) in zip(batch.pixels, draws, strict=True)
        ]
        return batch.showing(torch.stack(cut))

    def cut(self, picture: Tensor, short: int, down: float, right: float) -> Tensor:
        """Of a picture (c, S, S), as if its side had been `short`, the crop that lies at a share of the way."""
        side = picture.shape[-1]
        height, width = (round(length * side / short) for length in self.size)
        top, left = int(down * (side - height + 1)), int(right * (side - width + 1))
        crop = picture[:, top : top + height, left : left + width]
        return F.interpolate(crop[None], self.size, mode="bilinear", antialias=True)[0]


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


RANDOM_SCALE = TermRow(
    name="random-scale",
    title="Random scale",
    summary="Shows a part of every picture, larger or smaller, cut from anywhere.",
    citation="AE §III-I (ImageNet: short side 256 to 480; COCO: 96 to 120).",
    params=ScaleParams,
    build=RandomScale,
    reads=lambda params: params.largest,
)

CROP_AND_FLIP = TermRow(
    name="crop-and-flip",
    title="Crop and flip",
    summary="Shifts every picture by some pixels and mirrors every second one.",
    citation="AE §III-I (CIFAR-10).",
    params=CropParams,
    build=CropAndFlip,
)
