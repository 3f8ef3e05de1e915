"""Looking inside a network while it runs: the only place that registers a hook.

Two ways, both confined to the calling thread, so that a model shared by threads is safe:

- `maps_of(net, names)` keeps what named modules put out, cut off from what came before, so that
  a gradient stops there;
- `Activations` keeps the outputs of activation functions in execution order, whether they are
  modules, functional calls, in place or one module used twice, because it sees the functions.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from explain_core.models.hhrelu import hhrelu

ACTIVATIONS: frozenset[Callable[..., Any]] = frozenset(
    {
        *(torch.relu, torch.relu_, F.relu, F.relu_, Tensor.relu, Tensor.relu_),
        *(F.relu6, F.hardtanh, F.hardtanh_, F.leaky_relu, F.leaky_relu_, F.prelu, F.rrelu, F.threshold),
        *(F.gelu, F.silu, F.mish, F.hardswish, F.elu, F.elu_, F.selu, F.celu, F.softplus),
        *(torch.tanh, Tensor.tanh, F.tanh, hhrelu),
    }
)


class Maps(dict[str, Tensor]):
    """Outputs by module name, in execution order; a module used twice keeps its last output."""

    def keep(self, name: str, output: Tensor) -> None:
        self.pop(name, None)
        self[name] = output


@contextmanager
def maps_of(net: nn.Module, names: Sequence[str]) -> Iterator[Maps]:
    """Keep the outputs of named modules as leaves of the gradient graph.

    Each kept output is detached from what produced it and handed on as a copy, so that a later
    in-place operation cannot change it and a backward pass ends at it.
    """
    maps, thread, modules = Maps(), get_ident(), dict(net.named_modules())

    def keep(name: str) -> Callable[..., Tensor | None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> Tensor | None:
            if get_ident() != thread or not isinstance(output, Tensor):
                return None
            leaf = output.detach().requires_grad_()
            maps.keep(name, leaf)
            return leaf.clone()

        return hook

    handles = [modules[name].register_forward_hook(keep(name)) for name in names]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


class Activations(TorchFunctionMode):
    """Keeps the outputs of activation functions, numbered from 0 in execution order.

    Args:
        wanted: which numbers to keep; None keeps all.
        copy: keep copies, for networks that change an activation in place later on.
    """

    def __init__(self, wanted: Container[int] | None = None, *, copy: bool = False) -> None:
        super().__init__()
        self.count = 0
        self.copy = copy
        self.wanted = wanted
        self._kept: dict[int, tuple[Tensor, int]] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in ACTIVATIONS:
            if self.wanted is None or self.count in self.wanted:
                kept = output.clone() if self.copy else output
                self._kept[self.count] = (kept, kept._version)
            self.count += 1
        return output

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The kept outputs, in execution order."""
        return tuple(output for output, _ in self._kept.values())

    @property
    def spoilt(self) -> bool:
        """Whether a kept output was changed in place afterwards, so that copies are needed."""
        return any(output._version != version for output, version in self._kept.values())


def run_watched(forward: Callable[[], Tensor], wanted: Container[int] | None) -> tuple[Tensor, Activations]:
    """Run a forward pass keeping activations; again with copies where the network spoils them."""
    for copy in (False, True):
        with Activations(wanted, copy=copy) as seen:
            output = forward()
        if not seen.spoilt:
            break
    return output, seen
