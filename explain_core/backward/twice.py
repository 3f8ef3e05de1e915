"""Batch norm that is cheap to differentiate twice, for losses of input gradients (AE, Eq. 9).

With m values a channel, x̂ = (x − μ)·r, and g the gradient that arrives from above, the ordinary backward pass is

    dx = γ·r·P g,   P g = g − mean(g) − x̂·mean(g·x̂),   dγ = Σ g·x̂,   dβ = Σ g.

P is symmetric, so where v is the gradient of a loss S with respect to dx,

    dS/dg = γ·r·P v                                the ordinary backward pass of v
    dS/dγ = r·m·A,     A = mean(v·g) − mean(v)·mean(g) − a·b,   a = mean(v·x̂),   b = mean(g·x̂)
    dS/dx = −γ·r²·[(A − 2ab)·x̂ + b·(v − mean(v)) + a·(g − mean(g))]

of which PyTorch's own formula makes some thirty passes over memory, and this seven.  Values, running statistics and
first derivatives are PyTorch's.  A loss of the gradients of γ and β themselves is not provided for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

NAMES = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
DEFAULTS = {"weight": None, "bias": None, "training": False, "momentum": 0.1, "eps": 1e-5}


class Twice(TorchFunctionMode):
    """While it is entered, batch norms in training mode are recorded with the formula above."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is F.batch_norm:
            given = {**DEFAULTS, **dict(zip(NAMES, args, strict=False)), **kwargs}
            if _applies(given):
                return _Norm.apply(*(given[name] for name in NAMES if name != "training"))
        return func(*args, **kwargs)


def _applies(given: Mapping[str, Any]) -> bool:
    x: Tensor = given["input"]
    plain = given["weight"] is None or given["bias"] is None
    return bool(given["training"] and not plain and torch.is_grad_enabled() and x.requires_grad and len(x) > 1)


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        momentum: float,
        eps: float,
    ) -> Tensor:
        y, mean, rate = torch.native_batch_norm(x, weight, bias, running_mean, running_var, True, momentum, eps)
        ctx.save_for_backward(x, weight, mean, rate)
        ctx.eps = eps
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        dx, dw, db = _Back.apply(grads[0], *ctx.saved_tensors, ctx.eps)
        return dx, None, None, dw, db, None, None


class _Back(torch.autograd.Function):
    """(g, x, γ, μ, r) to (dx, dγ, dβ)."""

    @staticmethod
    def forward(
        ctx: Any, g: Tensor, x: Tensor, weight: Tensor, mean: Tensor, rate: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        dx, dw, db = _back(g, x, weight, mean, rate, eps)
        ctx.save_for_backward(g, x, weight, mean, rate, dw, db)
        ctx.eps = eps
        ctx.mark_non_differentiable(dw, db)
        return dx, dw, db

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        g, x, weight, mean, rate, dw, db = ctx.saved_tensors
        v = grads[0]
        m = x.numel() // x.shape[1]
        to_g, of_v, sum_v = _back(v, x, weight, mean, rate, ctx.eps)
        a, b, mean_v, mean_g = of_v / m, dw / m, sum_v / m, db / m
        spread = _sum(v, g) / m - mean_v * mean_g - a * b
        scale = -weight * rate.square()
        slope = scale * (spread - 2 * a * b) * rate
        level = -scale * (b * mean_v + a * mean_g) - slope * mean
        to_x = torch.addcmul(_wide(level, x), x, _wide(slope, x))
        to_x.addcmul_(v, _wide(scale * b, x)).addcmul_(g, _wide(scale * a, x))
        return to_g, to_x, spread * rate * m, None, None, None


def _back(
    g: Tensor, x: Tensor, weight: Tensor, mean: Tensor, rate: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.native_batch_norm_backward(
        g, x, weight, None, None, mean, rate, True, eps, [True, True, True]
    )
    return found


def _sum(v: Tensor, g: Tensor) -> Tensor:
    """Σ v·g of each channel."""
    return (v * g).sum([axis for axis in range(v.ndim) if axis != 1])


def _wide(values: Tensor, like: Tensor) -> Tensor:
    """(c,) to broadcast over (n, c, …)."""
    return values.view(1, -1, *[1] * (like.ndim - 2))
