"""A moving average of the weights, which often generalises better than the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """w̄ ← d·w̄ + (1 − d)·w after each step, over all floating-point weights and buffers."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: value.detach().clone() for name, value in _floats(net)}

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        for name, value in _floats(net):
            self.values[name].lerp_(value.detach(), 1 - self.decay)

    @contextmanager
    def shown(self, net: nn.Module) -> Iterator[None]:
        """The network with the averaged weights, inside."""
        own = {name: value.detach().clone() for name, value in _floats(net)}
        self.put(net, self.values)
        try:
            yield
        finally:
            self.put(net, own)

    @staticmethod
    @torch.no_grad()
    def put(net: nn.Module, values: Mapping[str, Tensor]) -> None:
        for name, value in _floats(net):
            value.copy_(values[name])


def _floats(net: nn.Module) -> list[tuple[str, Tensor]]:
    return [(name, value) for name, value in net.state_dict(keep_vars=True).items() if value.is_floating_point()]
