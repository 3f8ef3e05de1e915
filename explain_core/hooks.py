"""Looking inside a network while it runs: the only place that registers a hook.

Two ways, both confined to the calling thread, so that a model shared by threads is safe:

- `maps_of(net, names)` keeps the maps that named modules put out, cut off from what came before,
  so that a gradient stops there;
- `Activations` keeps the outputs of activation functions in execution order, whether they are
  modules, functional calls, in place or one module used twice, because it sees the functions.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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


@dataclass
class Maps:
    """Maps (n, k, h, w) that named modules put out, in execution order; a module used twice keeps its last.

    `shapes` are those of all outputs, also of those that are no map or have only one position.
    """

    kept: dict[str, Tensor] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def offer(self, name: str, output: Tensor) -> Tensor | None:
        """Keep a map as a leaf of the gradient graph, and hand on a copy of it in its place.

        A copy, so that a later in-place operation cannot change what is kept.
        """
        self.shapes[name] = tuple(output.shape)
        if output.ndim != 4 or output.shape[2] * output.shape[3] == 1:
            return None
        leaf = output.detach().requires_grad_()
        self.kept.pop(name, None)
        self.kept[name] = leaf
        return leaf.clone()


@contextmanager
def maps_of(net: nn.Module, names: Sequence[str]) -> Iterator[Maps]:
    """Keep the maps of named modules; a backward pass from the output ends at the last of them."""
    maps, thread, modules = Maps(), get_ident(), dict(net.named_modules())

    def listen(name: str) -> Callable[..., Tensor | None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> Tensor | None:
            if get_ident() != thread or not isinstance(output, Tensor):
                return None
            return maps.offer(name, output)

        return hook

    handles = [modules[name].register_forward_hook(listen(name)) for name in names]
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
