"""Masks that are smooth by construction (Fong, Patrick & Vedaldi 2019, §3.2 and their code).

A grid of cells p, `cell` pixels apart, becomes a mask by a maximum over the cells round each pixel u,

    m(u) = Σ_i v_i softmax_i(20 v_i),   v_i = k(|u − u_i| / σ) p_i,   k(t) = exp(−2 [t − ½]₊²),   σ = 3 cells,

over a window of 9 × 9 cells, where cells outside the grid count as 0.  The mask reaches σ beyond the outermost
cells, because its area is measured with that margin.
The window is walked a few cells at a time both ways, so memory is that of a few masks, not of 81.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

SPREAD = 3  # σ, in cells
REACH = 1 + SPREAD  # cells on either side of a pixel's own that it looks at
WINDOW = 2 * REACH + 1
EDGE = SPREAD + REACH  # cells of zeros that pixels of the margin look at
AT_ONCE = 1 << 18  # numbers: few enough to stay in a processor's cache
SHARPNESS = 20.0


@dataclass(frozen=True)
class Raster:
    """A picture's size in pixels, and how far cells lie apart."""

    height: int
    width: int
    cell: int

    @property
    def grid(self) -> tuple[int, int]:
        return math.ceil(self.height / self.cell), math.ceil(self.width / self.cell)

    @property
    def margin(self) -> int:
        return SPREAD * self.cell

    def mask(self, cells: Tensor) -> Tensor:
        """The mask (n, h', w') of cells (n, g, g') with its margin: 260 × 260 for 224 × 224 pixels and cells of 7."""
        n, tall, wide = cells.shape
        blocks: Tensor = _SmoothMaximum.apply(cells, self.weights(cells))  # (n, cell², (g + 6)(g' + 6))
        blocks = blocks.view(n, self.cell, self.cell, tall + 2 * SPREAD, wide + 2 * SPREAD)
        whole = blocks.permute(0, 3, 1, 4, 2).reshape(n, (tall + 2 * SPREAD) * self.cell, -1)
        return whole[:, : (tall - 1) * self.cell + 1 + 2 * self.margin, : (wide - 1) * self.cell + 1 + 2 * self.margin]

    def inner(self, mask: Tensor) -> Tensor:
        """The part (n, h, w) of a mask that lies on the picture."""
        return mask[:, self.margin : self.margin + self.height, self.margin : self.margin + self.width]

    def weights(self, like: Tensor) -> Tensor:
        """k (81, cell²): of each cell of the window, for a pixel at each place within its own cell."""
        place = torch.arange(self.cell, dtype=torch.float64)
        away = (place - self.cell * torch.arange(-REACH, REACH + 1)[:, None]) / self.margin  # (9, cell)
        distance = (away.square()[:, None, :, None] + away.square()[None, :, None, :]).sqrt()
        return torch.exp(-2 * (distance - 0.5).clamp_min(0).square()).reshape(WINDOW**2, -1).to(like)


class _SmoothMaximum(torch.autograd.Function):
    """Σ v softmax(20 v) over the window: (n, g, g') cells and (81, places) weights to (n, places, blocks)."""

    @staticmethod
    def forward(ctx: Any, cells: Tensor, weights: Tensor) -> Tensor:
        top = bottom = cells.new_zeros(())
        for seen, weight in portions(cells, weights):
            value = seen * weight
            share = (SHARPNESS * value).exp_()
            bottom = bottom + share.sum(1)
            top = top + value.mul_(share).sum(1)
        found = top / bottom
        ctx.save_for_backward(cells, weights, found, bottom)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        cells, weights, found, bottom = ctx.saved_tensors
        scaled, offset = (grads[0] / bottom)[:, None], (1 - SHARPNESS * found)[:, None]
        slopes = []
        for seen, weight in portions(cells, weights):
            value = seen * (SHARPNESS * weight)
            slope = (value + offset).mul_(value.exp_()).mul_(scaled)
            slopes.append((weight.mT @ slope)[:, :, 0])
        height, width = cells.shape[1:]
        total = F.fold(torch.cat(slopes, dim=1), (height + 2 * EDGE, width + 2 * EDGE), WINDOW)[:, 0]
        return total[:, EDGE:-EDGE, EDGE:-EDGE], None


def portions(cells: Tensor, weights: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """A few cells of the window at a time, as every block of pixels sees them, and their weights.

    Shaped (n, k, 1, blocks) and (k, places, 1).
    """
    around = F.unfold(F.pad(cells, [EDGE] * 4)[:, None], WINDOW)
    most = max(1, AT_ONCE // (around.shape[0] * weights.shape[1] * around.shape[2]))
    for first in range(0, len(weights), most):
        yield around[:, first : first + most, None], weights[first : first + most, :, None]
