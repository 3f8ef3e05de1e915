"""Batch norm differentiated twice is PyTorch's own, in one and two dimensions, alone and inside a network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from explain_core.backward.twice import Twice
from explain_core.models.architectures import build
from explain_core.models.architectures.base import Shape


def norm(dimensions: int) -> nn.Module:
    torch.manual_seed(1)
    layer = (nn.BatchNorm1d if dimensions == 1 else nn.BatchNorm2d)(5).double()
    with torch.no_grad():
        layer.weight.uniform_(0.5, 2)
        layer.bias.normal_()
    return layer


def derivatives(net: nn.Module, x: Tensor, *, twice: bool) -> Sequence[Tensor]:
    """Input gradient, gradients of a loss of it, and buffers."""
    net, pixels = copy.deepcopy(net), x.clone().requires_grad_()
    with Twice() if twice else nullcontext():
        y = net(pixels)
    out = (y.pow(3) * torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y)).sum()
    (gradient,) = torch.autograd.grad(out, pixels, create_graph=True)
    loss = gradient.square().sum() + y.square().sum()
    second = torch.autograd.grad(loss, [pixels, *net.parameters()])
    return [gradient.detach(), *second, *net.buffers()]


@pytest.mark.parametrize(("dimensions", "shape"), [(1, (7, 5)), (2, (6, 5, 4, 3)), (2, (2, 5, 1, 1))])
def test_alone(dimensions: int, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for own, ours in zip(*(derivatives(norm(dimensions), x, twice=twice) for twice in (False, True)), strict=True):
        torch.testing.assert_close(ours, own, rtol=1e-10, atol=1e-12)


def test_inside_a_network() -> None:
    torch.manual_seed(0)
    net = build("preact-resnet", {"depth": 1, "activation": "hhrelu"}, Shape(3, (32, 32), 4)).double()
    x = torch.rand(3, 3, 32, 32, dtype=torch.float64)
    for own, ours in zip(*(derivatives(net, x, twice=twice) for twice in (False, True)), strict=True):
        torch.testing.assert_close(ours, own, rtol=1e-9, atol=1e-12)


def test_evaluation_and_single_values_are_left_to_pytorch() -> None:
    layer, x = norm(1), torch.rand(1, 5, dtype=torch.float64, requires_grad=True)
    with Twice(), pytest.raises(ValueError, match="more than 1 value"):
        layer(x)
    with Twice():
        torch.testing.assert_close(layer.eval()(x), nn.functional.batch_norm(
            x, layer.running_mean, layer.running_var, layer.weight, layer.bias))  # fmt: skip
