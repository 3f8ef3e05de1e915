"""Changed derivatives of rectifiers: guided backpropagation and the deconvolutional network.

With z the rectifier's input, f its function, r the gradient that arrives from above:

    ordinary     r · f'(z)
    guided       [r]₊ · f'(z)        (Springenberg et al. 2015)
    deconvnet    [r]₊                (Zeiler & Fergus 2014: the forward mask is ignored)

The rule is for rectifiers: functions that are 0 below 0 and rise from there, which are ReLU, ReLU6, hardtanh
from 0, and the half-Huber ReLU, for which f' is between 0 and 1.  It acts on the function's own call, whether
a module, functional, in place or one module used twice: where the input of a ReLU also feeds a shortcut, the
shortcut's gradient is left alone.  Nothing is done to the network; the mode belongs to the calling thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from explain_core.errors import CannotExplain
from explain_core.hooks import ACTIVATIONS
from explain_core.models.hhrelu import hhrelu

Rule = Literal["ordinary", "guided", "deconvnet"]
Call = Callable[[Tensor], Tensor]

PLAIN: frozenset[Callable[..., Any]] = frozenset({torch.relu, torch.relu_, F.relu, F.relu_, Tensor.relu, Tensor.relu_})
RELUS: frozenset[Callable[..., Any]] = PLAIN | {F.relu6, hhrelu}
HARDTANHS: frozenset[Callable[..., Any]] = frozenset({F.hardtanh, F.hardtanh_})


class Rectifying(TorchFunctionMode):
    """While it is entered, rectifiers are recorded with a derivative that follows `rule`.

    The rule counts when the backward pass is run, so one recorded pass can be followed by both an ordinary and
    a guided one.  Raises CannotExplain at an activation that is no rectifier.
    """

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule: Rule = rule

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func not in ACTIVATIONS:
            return func(*args, **kwargs)
        x, rest = (args[0], args[1:]) if args else (kwargs.pop("input"), ())
        if not (torch.is_grad_enabled() and x.requires_grad):
            return func(x, *rest, **kwargs)
        if not is_rectifier(func, rest, kwargs):
            raise CannotExplain(f"The rule is for rectifiers, and this network has {func.__name__} as an activation.")
        return _Rectified.apply(x, lambda z: func(z, *rest, **kwargs), top_of(func, rest, kwargs), self)


def is_rectifier(func: Callable[..., Any], rest: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether this call is 0 below 0; a hardtanh is, if that is where it starts."""
    return func in RELUS or (func in HARDTANHS and (rest[0] if rest else kwargs.get("min_val", -1)) == 0)


def top_of(func: Callable[..., Any], rest: Sequence[Any], kwargs: Mapping[str, Any]) -> float | None:
    """Where a rectifier that is the identity above 0 is cut off; None for one with a bend."""
    if func in PLAIN:
        return math.inf
    if func in HARDTANHS:
        return float(rest[1] if len(rest) > 1 else kwargs.get("max_val", 1))
    return 6.0 if func is F.relu6 else None


class _Rectified(torch.autograd.Function):
    """The function's own values, and its derivative kept apart, so that a rule can be chosen later."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: Call, top: float | None, mode: Rectifying) -> Tensor:
        slope = slope_of(call, x) if top is None else None
        y = call(x)
        ctx.save_for_backward(y if slope is None else slope)
        ctx.mode, ctx.top = mode, top
        if y is x:
            ctx.mark_dirty(x)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (kept,), (arrived,) = ctx.saved_tensors, grads
        if ctx.mode.rule == "deconvnet":
            return arrived.clamp(min=0), None, None, None
        # The derivative of what has no bend is read off its own output, in one pass over memory, as PyTorch does.
        if ctx.top is None:
            sloped = arrived * kept
        elif math.isinf(ctx.top):
            sloped = torch.ops.aten.threshold_backward(arrived, kept, 0)
        else:
            sloped = torch.ops.aten.hardtanh_backward(arrived, kept, 0, ctx.top)
        return (sloped.clamp_(min=0) if ctx.mode.rule == "guided" else sloped), None, None, None


def slope_of(call: Call, x: Tensor) -> Tensor:
    """The derivative of a function of single values, which may be in place, at every value."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        (slope,) = torch.autograd.grad(call(leaf.clone()).sum(), leaf)
    return slope
