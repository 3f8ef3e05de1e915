"""Loss terms shared by methods, all per row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from explain_core.types import PerRow

TINY = 1e-12  # under the root of a squared gradient: the bare root is NaN where a map is flat


def _squares(difference: Tensor) -> PerRow:
    """Σ d² per row, over dimensions as they lie in memory: to flatten would copy what has its channels last."""
    size: Tensor = torch.linalg.vector_norm(difference, dim=tuple(range(1, difference.ndim))).square()
    return size


class _MeanSquare(torch.autograd.Function):
    """mean((a − b)²) per row, keeping only the difference: one pass over memory each way."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        difference = a - b
        ctx.save_for_backward(difference)
        return _squares(difference) / difference[0].numel()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (difference,) = ctx.saved_tensors
        scale = grads[0] * (2 / difference[0].numel())
        return difference * scale.view(-1, *[1] * (difference.ndim - 1)), None


def mean_square(a: Tensor, b: Tensor) -> PerRow:
    """Mean over each row's elements of (a − b)²; b is a constant."""
    result: Tensor = _MeanSquare.apply(a, b)
    return result


class _Distance(torch.autograd.Function):
    """Σ_l w_l · mean((a_l − b_l)²) per row, in one node, so that many small layers cost little."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, references: Sequence[Tensor], *features: Tensor) -> Tensor:
        differences = torch._foreach_sub(list(features), list(references))
        scales = weights / torch.tensor([d[0].numel() for d in differences], device=weights.device)
        ctx.save_for_backward(scales, *differences)
        return (scales * torch.stack([_squares(d) for d in differences], dim=1)).sum(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        scales, *differences = ctx.saved_tensors
        shares = (2 * grads[0][:, None] * scales).unbind(1)
        for difference, share in zip(differences, shares, strict=True):
            difference.mul_(share.view(-1, *[1] * (difference.ndim - 1)))  # ours, and not needed again
        return None, None, *differences


def distance(features: Sequence[Tensor], references: Sequence[Tensor], weights: Tensor) -> PerRow:
    """Weighted sum over layers of the mean square difference; weights (n, layers), references constant."""
    result: Tensor = _Distance.apply(weights, references, *features)
    return result


def total_variation(s: Tensor) -> PerRow:
    """Anisotropic total variation of (n, h, w): Σ|right − here| + Σ|below − here|."""
    return s.diff(dim=1).abs().flatten(1).sum(1) + s.diff(dim=2).abs().flatten(1).sum(1)


def gradient_power(s: Tensor, power: float) -> PerRow:
    """Σ|∇s|^power of (n, h, w) by forward differences, 0 past the last row and column; flat maps are no trouble."""
    down, across = F.pad(s.diff(dim=1), (0, 0, 0, 1)), F.pad(s.diff(dim=2), (0, 1))
    return (down.square() + across.square() + TINY).pow(power / 2).flatten(1).sum(1)
