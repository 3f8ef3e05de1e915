"""Pictures sheared, rotated and scaled about their centre, then a square of each blackened or whitened (AE §III-I4).

A point p of the new picture, from its centre, shows the old one's at R(θ)·S(φ)·p / s: rotation, shear along the
rows by tan φ, scale.  Beyond the picture its edge goes on.  Departures: the paper does not say how many squares
there are, so one, nor what lies beyond the edge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F

from explain_core.errors import ParamError
from explain_core.models.classifier import Classifier
from explain_core.params import Params, Range
from explain_core.training.batch import Batch
from explain_core.training.terms.base import Setting, Term, TermRow
from explain_core.types import Images


@dataclass(frozen=True)
class DeformParams(Params):
    shear: Annotated[float, Range(0, 60, unit="degrees"), "The largest shear, to either side."] = 30.0
    rotation: Annotated[float, Range(0, 180, unit="degrees"), "The largest rotation, either way."] = 45.0
    smallest: Annotated[float, Range(0.1, 10), "The smallest scale."] = 0.61
    largest: Annotated[float, Range(0.1, 10), "The largest scale."] = 1.65
    square: Annotated[int, Range(0, 4096, unit="pixels"), "The largest side of the square; 0: none."] = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smallest > self.largest:
            raise ParamError(f"smallest = {self.smallest:g}: it is above largest = {self.largest:g}; exchange them.")


class Deform(Term):
    def __init__(self, params: DeformParams, setting: Setting) -> None:
        self.params = params

    def prepare(self, batch: Batch, model: Classifier) -> Batch:
        params, draws = self.params, batch.uniform("deform", 7).to(batch.pixels.dtype)
        rotation, shear = ((2 * draws[:, :2] - 1) * draws.new_tensor([params.rotation, params.shear])).unbind(1)
        scale = params.smallest + draws[:, 2] * (params.largest - params.smallest)
        pixels = deformed(batch.pixels, rotation, shear, scale)
        return batch.showing(covered(pixels, draws[:, 3:], params.square) if params.square else pixels)


def deformed(pixels: Images, rotation: Tensor, shear: Tensor, scale: Tensor) -> Images:
    """Each picture by its own angles in degrees and its own scale, all (n,); a positive rotation turns it left."""
    turn, slant = rotation * (math.pi / 180), (shear * (math.pi / 180)).tan()
    cos, sin = turn.cos(), turn.sin()
    # R·S / s in pixels, (n, 2, 2), x before y; y points down.
    matrix = torch.stack([cos, cos * slant - sin, sin, sin * slant + cos], 1).view(-1, 2, 2) / scale.view(-1, 1, 1)
    height, width = pixels.shape[2:]
    sides = pixels.new_tensor([width, height])
    matrix = matrix * sides / sides[:, None]  # affine_grid counts each axis from -1 to 1
    grid = F.affine_grid(F.pad(matrix, (0, 1)), list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)


def covered(pixels: Images, draws: Tensor, most: int) -> Images:
    """A square of each picture set to 0 or 1; `draws` (n, 4) in [0, 1): its side, its place down and right, its colour.

    The side is 0 to `most` pixels, and the square lies whole inside the picture.
    """
    height, width = pixels.shape[2:]
    side = (draws[:, 0] * (min(most, height, width) + 1)).floor()
    top, left = (draws[:, 1] * (height - side + 1)).floor(), (draws[:, 2] * (width - side + 1)).floor()
    rows, columns = torch.arange(height, device=pixels.device), torch.arange(width, device=pixels.device)
    down = (rows >= top[:, None]) & (rows < (top + side)[:, None])
    right = (columns >= left[:, None]) & (columns < (left + side)[:, None])
    inside = (down[:, :, None] & right[:, None, :])[:, None]
    colour = (draws[:, 3] < 0.5).to(pixels).view(-1, 1, 1, 1)
    return colour.where(inside, pixels)


ROW = TermRow(
    name="shear-rotate-scale",
    title="Shear, rotate, scale",
    summary="Deforms every picture, and covers a square of it in black or white.",
    citation="AE §III-I4 (JSRT).",
    params=DeformParams,
    build=Deform,
)
