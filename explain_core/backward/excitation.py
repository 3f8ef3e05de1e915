"""Excitation backpropagation's rule (Zhang et al. 2016): relevance is shared out by what excited each unit.

With a the inputs of a function and r the relevance of its outputs:

    linear, convolution     [a]₊ ⊙ W₊ᵀ( r / W₊[a]₊ )       bias ignored, 0 where nothing excites
    average pool, mean      the same, the pool being W
    sum of activations      r · [a_m]₊ / Σ_m [a_m]₊
    rectifier               r where the unit is active
    batch norm, constants   r
    views, max pool, …      ordinary backward

The last linear function is the head.  There a negative relevance asks what speaks *against* the class: W₊ is
then that of the negated weights.  With `contrast` the head subtracts, from what excites the class, what excites
its opposite (contrastive excitation backprop at the head's input).  The weights themselves are never touched.

For non-negative activations, as behind a ReLU, this is the published rule.  Negative ones, as in linear
bottlenecks or before a block's last ReLU, have no part in it; the published residual rule would give them negative
shares.  Functions without a rule (attention, gates, other activations) raise CannotExplain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from explain_core.backward.rectifiers import is_rectifier
from explain_core.errors import CannotExplain

Call = Callable[[Tensor], Tensor]
Share = Callable[[Tensor, Tensor], Tensor]

LINEAR = frozenset({"conv1d", "conv2d", "conv3d", "linear"})
MEANS = frozenset({"mean", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d"})
SUMS = frozenset({"add", "add_", "__add__", "__iadd__", "__radd__"})
WITH_CONSTANTS = SUMS | {"sub", "__sub__", "mul", "__mul__", "__rmul__", "div", "__truediv__", "mul_", "div_"}
ORDINARY = frozenset(
    {
        *("flatten", "view", "reshape", "squeeze", "unsqueeze", "permute", "transpose", "unflatten", "view_as"),
        *("contiguous", "clone", "to", "float", "double", "requires_grad_", "pad", "dropout", "dropout2d"),
        *("cat", "concat", "stack", "chunk", "split", "narrow", "__getitem__", "unbind"),
        *("max_pool1d", "max_pool2d", "max_pool3d", "adaptive_max_pool2d", "amax"),
    }
)


class Exciting(TorchFunctionMode):
    """While it is entered, functions are recorded with the rule; the backward pass may come later."""

    def __init__(self, *, contrast: bool = False) -> None:
        super().__init__()
        self._contrast = contrast
        self._linear = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        recorded = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor) and value.requires_grad]
        if not torch.is_grad_enabled() or not recorded:
            return func(*args, **kwargs)
        name = getattr(func, "__name__", str(func))
        if name in LINEAR:
            return self._shared_out_linearly(func, *_bound(args, kwargs))
        if name in MEANS:
            call = partial(_of_first, func, args[1:], kwargs)
            return _Shared.apply(args[0], call, partial(share, call))
        if name in SUMS and len(recorded) == 2 and not kwargs:
            return _Summed.apply(*args, func)
        if (name in WITH_CONSTANTS and len(recorded) == 1) or name == "batch_norm":
            return _Passed.apply(recorded[0], partial(_replacing, func, args, kwargs, recorded[0]), False)
        if is_rectifier(func, args[1:], kwargs):
            return _Passed.apply(recorded[0], partial(_replacing, func, args, kwargs, recorded[0]), True)
        return _ordinary(name, func(*args, **kwargs))

    def _shared_out_linearly(
        self,
        func: Callable[..., Tensor],
        a: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        rest: tuple[Any, ...],
        options: Any,
    ) -> Tensor:
        self._linear += 1
        number = self._linear

        def excite(sign: int, leaf: Tensor) -> Tensor:
            own = weight.detach()
            return func(leaf, own.clamp(min=0) if sign > 0 else own.clamp(max=0).neg_(), None, *rest, **options)

        def back(kept: Tensor, r: Tensor) -> Tensor:
            if number < self._linear:
                return share(partial(excite, 1), kept, r)
            speaks, against = r.clamp(min=0), (-r).clamp(min=0)
            found = share(partial(excite, 1), kept, speaks) + share(partial(excite, -1), kept, against)
            if self._contrast:
                found = found - share(partial(excite, -1), kept, speaks) - share(partial(excite, 1), kept, against)
            return found

        result: Tensor = _Shared.apply(a, lambda x: func(x, weight, bias, *rest, **options), back)
        return result


def share(excite: Call, a: Tensor, r: Tensor) -> Tensor:
    """Relevance of non-negative inputs `a` of a linear function without negative weights."""
    with torch.enable_grad():
        leaf = a.detach().requires_grad_()
        z = excite(leaf)
    (back,) = torch.autograd.grad(z, leaf, rate(r, z))
    return back.mul_(a)


def rate(r: Tensor, z: Tensor) -> Tensor:
    """r / z where z is above 0, else 0."""
    return where_active(r / z, z)


def where_active(r: Tensor, y: Tensor) -> Tensor:
    """r where y is above 0, else 0, whatever r is there; in one pass over memory."""
    chosen: Tensor = torch.ops.aten.threshold_backward(r, y, 0)
    return chosen


class _Shared(torch.autograd.Function):
    """Values of `call`; relevance by `back(inputs, relevance of outputs)`."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, call: Call, back: Share) -> Tensor:
        ctx.save_for_backward(a.clamp(min=0))
        ctx.back = back
        return call(a)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return ctx.back(*ctx.saved_tensors, *grads), None, None


class _Passed(torch.autograd.Function):
    """Values of `call`; relevance passes, through active units only if `active`."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, call: Call, active: bool) -> Tensor:
        y = call(a)
        ctx.save_for_backward(*([y] if active else []))
        ctx.shape = a.shape
        if y is a:
            ctx.mark_dirty(a)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (r,) = grads
        for y in ctx.saved_tensors:
            r = where_active(r, y)
        return r.sum_to_size(ctx.shape), None, None


class _Summed(torch.autograd.Function):
    """Values of a sum, in place where `func` is; each part has its share of the relevance."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, func: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        ctx.save_for_backward(a.clamp(min=0), b.clamp(min=0))
        y = func(a, b)
        if y is a:
            ctx.mark_dirty(a)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        (a, b), (r,) = ctx.saved_tensors, grads
        shared = rate(r, a + b)
        return (a * shared).sum_to_size(a.shape), (b * shared).sum_to_size(b.shape), None


def _bound(args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, Any, Any, tuple[Any, ...], dict[str, Any]]:
    """(input, weight, bias, further arguments, options) of a linear function's call."""
    names = ("input", "weight", "bias")
    given = {**dict(zip(names, args, strict=False)), **{name: kwargs.pop(name) for name in names if name in kwargs}}
    return given["input"], given["weight"], given.get("bias"), tuple(args[3:]), kwargs


def _of_first(func: Callable[..., Tensor], rest: Sequence[Any], kwargs: Mapping[str, Any], a: Tensor) -> Tensor:
    return func(a, *rest, **kwargs)


def _replacing(
    func: Callable[..., Tensor], args: Sequence[Any], kwargs: Mapping[str, Any], old: Tensor, new: Tensor
) -> Tensor:
    """The call with one of its arguments replaced."""
    positional = [new if value is old else value for value in args]
    return func(*positional, **{name: new if value is old else value for name, value in kwargs.items()})


def _ordinary(name: str, result: Any) -> Any:
    """The result of a function whose own backward is the rule; others have none."""
    outputs = result if isinstance(result, (tuple, list)) else [result]
    tracked = any(isinstance(output, Tensor) and output.requires_grad for output in outputs)
    if tracked and name.lstrip("_") not in {known.lstrip("_") for known in ORDINARY}:
        raise CannotExplain(f"Excitation backprop has no rule for {name!r}, which this network uses.")
    return result
