"""What every row of METHODS says it costs is what it spends: passes through the network, counted there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from explain_core.engine.lending import lend
from explain_core.methods import METHODS
from explain_core.methods.base import Method
from explain_core.models.classifier import Classifier
from explain_core.types import Question
from tests.contracts.test_methods import keys_of, pictures, quick
from tests.descent.walking import walk

AT_224 = {"occlusion"}
"""Rows that spend passes by the picture's size, and declare them for 224 × 224."""


@dataclass
class Counted:
    """Rows that went through the network; `begun` also counts ways back that end at a layer."""

    forward: int = 0
    begun: int = 0
    through: int = 0


@contextmanager
def counting(model: Classifier) -> Iterator[Counted]:
    """Count forward passes, backward passes that leave the output, and those that arrive at the input."""
    counted = Counted()

    def arrives(gradient: Tensor) -> None:
        counted.through += len(gradient)

    def leaves(gradient: Tensor) -> None:
        counted.begun += len(gradient)

    def hook(_net: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        counted.forward += len(output)
        if output.requires_grad:
            output.register_hook(leaves)
        if inputs[0].requires_grad:
            inputs[0].register_hook(arrives)

    handle = model.net.register_forward_hook(hook)
    try:
        yield counted
    finally:
        handle.remove()


@pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
@pytest.mark.parametrize("name", ["functional", "residual"])
def test_declared_told_and_counted(
    method: Method, name: str, tiny_named: Callable[[str], Classifier], rng: torch.Generator
) -> None:
    """Told passes are the counted ones, and no more than the row declares; rows may be done early."""
    model = tiny_named(name)
    if method.cannot(model):
        pytest.skip(f"{method.name} does not apply")
    x, params = pictures(model, 3, rng), quick(method)
    with torch.no_grad():
        target = model(x).argmax(1)
    rho = None if method.rho == "none" else torch.tensor([0.02, 0.05, 0.1])
    with lend(model), counting(model) as counted:
        found, _ = walk(method.run(model, Question(x, target, rho, keys=keys_of(x)), params))
    assert counted.forward == sum(spent.forward for spent in found.passes)
    assert counted.through <= sum(spent.backward for spent in found.passes) <= counted.begun
    declared, told = method.cost(params), [spent.units for spent in found.passes]
    if declared <= 1:
        assert told == [declared] * 3
    elif method.name not in AT_224:
        assert max(told) <= declared + 0.5
