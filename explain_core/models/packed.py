"""Convolutions whose kernels lie ready for the processor.

oneDNN wants kernels in blocks of its own.  As it is asked by default it lays them out anew in every pass, which is
most of the time of a wide convolution of one small picture; and for few pictures on one thread it is often not asked at
all.  Here kernels are laid out once, for the way there and, when it is first gone, for the way back, and pictures have
their channels side by side.  Passes of one picture take 0.5 – 0.8 of the time, with the same sums up to rounding.
"""

from __future__ import annotations

from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from explain_core.types import Images

Pair = tuple[int, int]
mkldnn = torch.ops.mkldnn
PICTURES = 16
"""What kernels are laid out for: good for one picture as well, while those for one take twice as long with sixteen."""


def pack(net: nn.Module) -> int:
    """Makes plain convolutions of the network ones that lay out their kernels; how many they are.

    Their class is changed in place, so that names, weights and hooks stay, and so does one module under two names.
    Nothing is done where torch was built without oneDNN.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return 0
    plain = [module for module in net.modules() if type(module) is nn.Conv2d and _regular(module)]
    for module in plain:
        module.__class__ = PackedConv2d
    return len(plain)


def _regular(module: nn.Conv2d) -> bool:
    return module.padding_mode == "zeros" and not isinstance(module.padding, str)


class PackedConv2d(nn.Conv2d):
    """A convolution of frozen float32 weights on a processor; of others, what nn.Conv2d is.

    Weights may be changed: they are laid out again.  Copies lay out their own.
    """

    def forward(self, input: Images) -> Images:
        """(n, c, h, w) → (n, k, h', w'), channels last."""
        with torch._C.DisableTorchFunction():  # nothing here is for who listens to functions
            found = self._fast(input)
        return super().forward(input) if found is None else found

    def _fast(self, x: Images) -> Images | None:
        """What is asked at every layer of every pass, so the order is that of what costs least."""
        halved = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if halved else torch.float32
        if x.dtype not in (torch.float32, dtype) or not x.is_cpu or x.ndim != 4 or not x.numel():
            return None
        grad = torch.is_grad_enabled() and x.requires_grad
        if (halved and (grad or dtype != torch.bfloat16 or not mkldnn._is_mkldnn_bf16_supported())) or not _enabled():
            return None
        kernels = _laid_out(self, dtype)
        if kernels is None:
            return None
        x = (x.to(dtype) if halved else x).contiguous(memory_format=torch.channels_last)
        return cast(Tensor, _Convolved.apply(x, kernels)) if grad else kernels.there(x)


class _Kernels:
    """A convolution's weights in one precision, laid out when they are first needed; good for one state of them."""

    def __init__(self, module: PackedConv2d, dtype: torch.dtype) -> None:
        self._of, self._version = _weights(module), _version(module)
        self.weight = module.weight.detach().to(dtype)
        self.bias = None if module.bias is None else module.bias.detach().to(dtype)
        self.stride, self.dilation, self.groups = tuple(module.stride), tuple(module.dilation), module.groups
        self.padding = cast(Pair, module.padding)
        self._there: Tensor | None = None
        self._back: dict[Pair, Tensor] = {}

    def current(self, module: PackedConv2d) -> bool:
        """Whether the module's weights are still those, and unchanged."""
        weight, bias = self._of
        return weight is module.weight and bias is module.bias and self._version == _version(module)

    def there(self, x: Images) -> Images:
        """The convolution."""
        how = (self.padding, self.stride, self.dilation, self.groups)
        if self._there is None:
            self._there = mkldnn._reorder_convolution_weight.default(self.weight, *how, [PICTURES, *x.shape[1:]])
        return cast(Tensor, mkldnn._convolution_pointwise.default(x, self._there, self.bias, *how, "none", [], ""))

    def back(self, arrived: Images, height: int, width: int) -> Images:
        """The gradient at the input (n, c, height, width): the transposed convolution."""
        axes = zip((height, width), arrived.shape[2:], self.weight.shape[2:], strict=True)
        reached = [
            (out - 1) * self.stride[axis] - 2 * self.padding[axis] + self.dilation[axis] * (kernel - 1) + 1
            for axis, (_, out, kernel) in enumerate(axes)
        ]
        extra = (height - reached[0], width - reached[1])
        how = (self.padding, extra, self.stride, self.dilation, self.groups)
        if extra not in self._back:
            lay_out = mkldnn._reorder_convolution_transpose_weight.default
            self._back[extra] = lay_out(self.weight, *how, [PICTURES, *arrived.shape[1:]])
        transposed = mkldnn._convolution_transpose_pointwise.default
        return cast(Tensor, transposed(arrived, self._back[extra], None, *how, "none", [], ""))


_laid: WeakKeyDictionary[PackedConv2d, dict[torch.dtype, _Kernels]] = WeakKeyDictionary()
"""What was laid out of each module's weights, by precision: beside the modules, because torch cannot copy it."""


def _laid_out(module: PackedConv2d, dtype: torch.dtype) -> _Kernels | None:
    """None where the weights are not frozen float32 ones on a processor."""
    mine = _laid.setdefault(module, {})
    kernels = mine.get(dtype)
    if kernels is None or not kernels.current(module):
        if not all(weight is None or (weight.dtype == torch.float32 and weight.is_cpu) for weight in _weights(module)):
            return None
        kernels = mine[dtype] = _Kernels(module, dtype)
    learning = module.weight.requires_grad or (module.bias is not None and module.bias.requires_grad)
    return None if learning else kernels


def _enabled() -> bool:
    return torch._C._get_mkldnn_enabled()


def _weights(module: nn.Conv2d) -> tuple[Tensor, Tensor | None]:
    return module.weight, module.bias


def _version(module: nn.Conv2d) -> tuple[int, int]:
    """Changes with every change in place."""
    return module.weight._version, 0 if module.bias is None else module.bias._version


class _Convolved(torch.autograd.Function):
    """The convolution and, on the way back, its transpose."""

    @staticmethod
    def forward(ctx: Any, x: Images, kernels: _Kernels) -> Images:
        ctx.kernels, ctx.sides = kernels, x.shape
        return kernels.there(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        arrived, kernels = grads[0], ctx.kernels
        if torch.is_grad_enabled():  # a derivative of the derivative is wanted: torch's own has one
            how = (kernels.stride, kernels.padding, kernels.dilation, kernels.groups)
            return cast(Tensor, conv2d_input(ctx.sides, kernels.weight, arrived, *how)), None  # type: ignore[no-untyped-call]
        return kernels.back(arrived.contiguous(memory_format=torch.channels_last), *ctx.sides[2:]), None
