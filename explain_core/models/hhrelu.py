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
from torch.overrides import handle_torch_function, has_torch_function_unary


def hhrelu(x: Tensor, knee: float = 0.5) -> Tensor:
    """The activation with its knee 1/(2d); seen as one function by whoever watches functions."""
    if has_torch_function_unary(x):
        result: Tensor = handle_torch_function(hhrelu, (x,), x, knee)
        return result
    rectified: Tensor = _HalfHuber.apply(x, knee)
    return rectified


class _HalfHuber(torch.autograd.Function):
    """One node that keeps its input alone: on a CPU half the time of the same in single operations."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, knee: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.knee = knee
        return x.clamp(0, knee).square_().div_(2 * knee).add_((x - knee).relu_())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return grads[0] * (x.clamp(0, ctx.knee) / ctx.knee), None


class HHReLU(nn.Module):
    """`hhrelu` as a module; the buffer `d` holds the knee, as in the published weights."""

    d: Tensor

    def __init__(self, knee: float = 0.5) -> None:
        super().__init__()
        self.register_buffer("d", torch.tensor(knee))

    def forward(self, x: Tensor) -> Tensor:
        return hhrelu(x, float(self.d))
