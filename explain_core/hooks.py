"""Looking inside a network while it runs: the only place that registers a hook.

Two ways, both confined to the calling thread, so that a model shared by threads is safe:

- `maps_of(net, names)` keeps the maps that named modules put out, mostly cut off from what came before,
  so that a gradient stops there;
- `survey` and `Watch` keep the outputs of activation functions in execution order, whether they
  are modules, functional calls, in place or one module used twice, because they see the functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
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

    `shapes` are those of all outputs, also of those that are no map or have only one position.  Maps that are
    `cut` are where a gradient ends; others lie on its way.  Where only the `last` is wanted, the others are let go.
    """

    cut: bool = True
    last: bool = False
    kept: dict[str, Tensor] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def offer(self, name: str, output: Tensor) -> Tensor | None:
        """Keep a map, if cut as a leaf of the gradient graph, and hand on a copy of it in its place.

        A copy, so that a later in-place operation cannot change what is kept.
        """
        self.shapes[name] = tuple(output.shape)
        if output.ndim != 4 or output.shape[2] * output.shape[3] == 1:
            return None
        kept = output.detach().requires_grad_() if self.cut else output
        self.kept.pop(name, None)
        if self.last:
            self.kept.clear()
        self.kept[name] = kept
        return kept.clone()


@contextmanager
def maps_of(net: nn.Module, names: Sequence[str], *, cut: bool = True, last: bool = False) -> Iterator[Maps]:
    """Keep the maps of named modules; if they are cut, a backward pass ends at the last of them."""
    maps, thread = Maps(cut, last), get_ident()

    def listen(name: str) -> Callable[..., Tensor | None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> Tensor | None:
            if get_ident() != thread or not isinstance(output, Tensor):
                return None
            return maps.offer(name, output)

        return hook

    handles = [net.get_submodule(name).register_forward_hook(listen(name)) for name in names]
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
        self.latest: Tensor | None = None
        self._wanted = wanted
        self._seen = Seen(copy)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in ACTIVATIONS:
            if self._wanted is None or self.count in self._wanted:
                self._seen.keep(self.count, output)
            self.latest = output
            self.count += 1
        return output

    @property
    def seen(self) -> Seen:
        return self._seen


class Seen:
    """Activations kept by number, with their versions, so that a later change in place is noticed."""

    def __init__(self, copy: bool) -> None:
        self.copy = copy
        self._kept: dict[int, tuple[Tensor, int]] = {}

    def keep(self, number: int, output: Tensor) -> None:
        kept = output.clone() if self.copy else output
        self._kept[number] = (kept, kept._version)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """In execution order."""
        return tuple(self._kept[number][0] for number in sorted(self._kept))

    @property
    def spoilt(self) -> bool:
        """Whether a kept output was changed in place afterwards, so that copies are needed."""
        return any(output._version != version for output, version in self._kept.values())


Place = tuple[str, int]
"""A module's name, and which of its calls in one forward pass."""


def survey(net: nn.Module, forward: Callable[[], Tensor]) -> tuple[tuple[Tensor, ...], tuple[Place | None, ...]]:
    """All activations of one forward pass, and the module call that each is the output of (None: of none)."""
    for copy in (False, True):
        mode, places = _survey_once(net, forward, copy)
        if not mode.seen.spoilt:
            break
    return mode.seen.outputs, tuple(places.get(number) for number in range(mode.count))


def _survey_once(net: nn.Module, forward: Callable[[], Tensor], copy: bool) -> tuple[Activations, dict[int, Place]]:
    places: dict[int, Place] = {}

    def locate(name: str, call: int, output: Any) -> None:
        if output is mode.latest and mode.count:
            places.setdefault(mode.count - 1, (name, call))

    with Activations(copy=copy) as mode, _each_call(net) as listeners:
        listeners.append(locate)
        forward()
    return mode, places


Listener = Callable[[str, int, Any], None]


@contextmanager
def _each_call(net: nn.Module, names: Collection[str] | None = None) -> Iterator[list[Listener]]:
    """Tell listeners (name, call, output) of every call of the named modules, or of all without children."""
    thread, counts, listeners = get_ident(), Counter[str](), list[Listener]()

    def listen(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if get_ident() == thread:
                for listener in listeners:
                    listener(name, counts[name], output)
                counts[name] += 1

        return hook

    if names is None:
        chosen = [(name, module) for name, module in net.named_modules() if not list(module.children())]
    else:
        chosen = [(name, net.get_submodule(name)) for name in names]
    handles = [module.register_forward_hook(listen(name)) for name, module in chosen]
    try:
        yield listeners
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True)
class Watch:
    """Chosen activations of a network, by number, and the module calls that put them out.

    Where each is a module's output, only those modules are listened to; functional activations
    are seen by watching every function, which costs tens of microseconds an operation.
    """

    net: nn.Module
    numbers: tuple[int, ...]
    places: tuple[Place | None, ...]

    def run(self, forward: Callable[[], Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """A forward pass and the chosen activations; again with copies where the network spoils them."""
        for copy in (False, True):
            output, seen = self._once(forward, copy)
            if not seen.spoilt:
                break
        return output, seen.outputs

    def _once(self, forward: Callable[[], Tensor], copy: bool) -> tuple[Tensor, Seen]:
        numbers = {place: number for number, place in zip(self.numbers, self.places, strict=True) if place}
        if len(numbers) < len(self.numbers):
            with Activations(self.numbers, copy=copy) as mode:
                return forward(), mode.seen
        seen = Seen(copy)

        def keep(name: str, call: int, output: Any) -> None:
            if (name, call) in numbers:
                seen.keep(numbers[name, call], output)

        with _each_call(self.net, {name for name, _ in numbers}) as listeners:
            listeners.append(keep)
            return forward(), seen
