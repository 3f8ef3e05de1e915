"""Half-Huber ReLU (AE, Eq. 11): a rectifier whose slope is continuous.

    f(x) = 0            for x < 0
           d·x²         for 0 ≤ x < 1/(2d)
           x − 1/(4d)   above,

in closed form d·clamp(x, 0, 1/(2d))² + relu(x − 1/(2d)).  The published weights carry buffers
named `….d` that hold the knee 1/(2d), not d.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.overrides import handle_torch_function, has_torch_function_unary


def hhrelu(x: Tensor, knee: float = 0.5) -> Tensor:
    """The activation with its knee 1/(2d); seen as one function by whoever watches functions."""
    if has_torch_function_unary(x):
        result: Tensor = handle_torch_function(hhrelu, (x,), x, knee)
        return result
    rectified: Tensor = _HalfHuber.apply(x, knee)
    return rectified


class _HalfHuber(torch.autograd.Function):
    """One node that keeps its slope s = clamp(x/knee, 0, 1): the value is s·(x − s·knee/2)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, knee: float) -> Tensor:
        slope = x.mul(1 / knee).clamp_(0, 1)
        ctx.save_for_backward(x, slope)
        ctx.knee = knee
        return torch.sub(x, slope, alpha=knee / 2).mul_(slope)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        x, slope = ctx.saved_tensors
        sloped: Tensor = _Sloped.apply(grads[0], x, slope, ctx.knee)
        return sloped, None


class _Sloped(torch.autograd.Function):
    """gradient · s, differentiated once more in training: ds/dx is 1/knee between 0 and the knee."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, x: Tensor, slope: Tensor, knee: float) -> Tensor:
        ctx.save_for_backward(gradient, slope)
        ctx.knee = knee
        return gradient * slope

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        gradient, slope = ctx.saved_tensors
        bent = (grads[0] * gradient).div_(ctx.knee)
        return grads[0] * slope, torch.ops.aten.hardtanh_backward(bent, slope, 0.0, 1.0), None, None


class HHReLU(nn.Module):
    """`hhrelu` as a module; the buffer `d` holds the knee, as in the published weights."""

    d: Tensor

    def __init__(self, knee: float = 0.5) -> None:
        super().__init__()
        self.register_buffer("d", torch.tensor(knee))

    def forward(self, x: Tensor) -> Tensor:
        return hhrelu(x, float(self.d))
