"""Every row of ARCHITECTURES: shapes, gradients of first and second order, sizes, known counts of weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explain_core.errors import DataError, ParamError
from explain_core.models.architectures import ARCHITECTURES, Shape, build, get_architecture
from explain_core.models.architectures.preact_resnet import Block

SLIM: dict[str, tuple[dict[str, Any], Shape]] = {
    "preact-resnet": ({"depth": 2, "width": 0.25}, Shape(3, (32, 32), 4)),
    "preact-resnet18-imagenet": ({"depth": 1, "width": 0.25}, Shape(3, (40, 36), 4)),
    "preact-resnet-coco": ({"depth": 1, "width": 0.25}, Shape(3, (96, 96), 4)),
    "preact-resnet-jsrt": ({"depth": 1, "width": 0.25}, Shape(1, (232, 232), 2)),
    "mlp": ({"hidden": 12}, Shape(1, (8, 6), 4)),
    "fcnn": ({"width": 4}, Shape(1, (8, 6), 4)),
    "lenet": ({}, Shape(1, (12, 16), 4)),
    "vgg": ({"form": "vgg11", "width": 0.125}, Shape(3, (64, 64), 4)),
    "mobilenet": ({"width": 0.125}, Shape(3, (32, 32), 4)),
    "resnet18": ({"width": 0.125}, Shape(3, (16, 16), 4)),
    "resnet50": ({"width": 0.125}, Shape(3, (16, 16), 4)),
    "one-layer": ({"filters": 4}, Shape(3, (8, 6), 4)),
    "inception-resnet": ({"block17": 1}, Shape(1, (59, 59), 2)),
    "phantom-net": ({}, Shape(1, (32, 40), 1)),
}
"""Knobs that make a row small; fine-tuning, which needs weights, has tests of its own."""
STEP = 1e-8
"""Small enough that no unit crosses a knee, and no max-pool changes its mind, between the two ends."""


@pytest.fixture(autouse=True)
def own_random_state() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        yield


def lively(net: nn.Module) -> nn.Module:
    """Weights that start at zero would hide the layers before them."""
    with torch.no_grad():
        for weight in net.parameters():
            if weight.ndim == 4 and not weight.any():
                weight.normal_(0, 0.1)
    return net


def logits(net: nn.Module, x: Tensor) -> Tensor:
    y: Tensor = net(x)
    return y.flatten(2).amax(2) if y.ndim == 4 else y


def on_paper(name: str, knobs: dict[str, Any], shape: Shape) -> nn.Module:
    """On the meta device: shapes and counts without a number."""
    row = get_architecture(name)
    with torch.device("meta"):
        return row.build(row.params.build(knobs), shape)


def count(name: str, shape: Shape, **knobs: Any) -> int:
    return sum(weight.numel() for weight in on_paper(name, knobs, shape).parameters())


def test_every_row_is_covered() -> None:
    assert [*SLIM, "finetune"] == list(ARCHITECTURES)
    assert all(name == row.name for name, row in ARCHITECTURES.items())


@pytest.mark.parametrize("name", SLIM)
def test_logits_have_their_shape_and_every_weight_its_gradient(name: str) -> None:
    knobs, shape = SLIM[name]
    net = lively(build(name, knobs, shape))
    y = logits(net, torch.randn(4, shape.channels, *shape.size))
    assert y.shape == (4, shape.classes)
    loss = F.softplus(y).mean() if shape.classes == 1 else F.cross_entropy(y, torch.arange(4) % shape.classes)
    loss.backward()
    assert [key for key, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()] == []


@pytest.mark.parametrize("name", SLIM)
def test_the_gradient_of_an_input_gradient_agrees_with_differences(name: str) -> None:
    knobs, shape = SLIM[name]
    net = lively(build(name, {**knobs, "activation": "hhrelu"}, shape)).double()
    x = torch.randn(4, shape.channels, *shape.size, dtype=torch.float64, requires_grad=True)

    def steepness() -> Tensor:
        (slope,) = torch.autograd.grad(logits(net, x)[:, 0].sum(), x, create_graph=True)
        return slope.square().mean()

    weights = [weight for weight in net.parameters() if weight.ndim > 1]
    gradients = torch.autograd.grad(steepness(), weights)
    ways = [gradient / (gradient.norm() + 1e-30) for gradient in gradients]
    ends = []
    for step in (STEP, -STEP):
        with torch.no_grad():
            torch._foreach_add_(weights, ways, alpha=step)
        ends.append(float(steepness().detach()))
        with torch.no_grad():
            torch._foreach_sub_(weights, ways, alpha=step)
    expected = sum(float((gradient * way).detach().sum()) for gradient, way in zip(gradients, ways, strict=True))
    assert expected > 0
    assert (ends[0] - ends[1]) / (2 * STEP) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", SLIM)
def test_the_smallest_side_is_the_smallest(name: str) -> None:
    row, shape = get_architecture(name), SLIM[name][1]
    least = Shape(shape.channels, (row.smallest, row.smallest), shape.classes)
    with torch.device("meta"):
        assert logits(on_paper(name, {}, least).eval(), torch.empty(1, shape.channels, *least.size)).shape[0] == 1
    if row.smallest == 1:
        return
    less = Shape(shape.channels, (row.smallest, row.smallest - 1), shape.classes)
    with pytest.raises(DataError, match=rf"needs at least {row.smallest} on each side"):
        build(name, {}, less)
    with torch.device("meta"), warnings.catch_warnings(action="ignore"), pytest.raises(RuntimeError):
        on_paper(name, {}, less).eval()(torch.empty(1, shape.channels, *less.size))


def test_counts_of_weights_that_papers_state() -> None:
    cifar, grey = Shape(3, (32, 32), 10), Shape(1, (64, 64), 2)
    assert count("preact-resnet", cifar) == pytest.approx(0.66e6, rel=0.04)  # 3×3 shortcuts add 23 thousand
    assert count("preact-resnet", cifar, depth=28) == pytest.approx(4 * 0.66e6, rel=0.04)
    assert count("preact-resnet", cifar, width=2) == pytest.approx(4 * 0.66e6, rel=0.04)
    assert count("inception-resnet", grey) == pytest.approx(8.0e6, rel=0.005)
    assert count("inception-resnet", grey, block17=2) == pytest.approx(6.9e6, rel=0.005)
    assert count("lenet", Shape(1, (28, 28), 10)) == 61_706
    assert count("vgg", cifar) == 14_724_042
    assert count("vgg", cifar, form="vgg11") == 9_228_362
    assert count("mobilenet", cifar) == 3_217_226
    assert count("resnet18", cifar) == 11_173_962
    assert count("resnet50", cifar) == 23_520_842


def test_the_one_layer_has_39200_units() -> None:
    net = on_paper("one-layer", {}, Shape(3, (32, 32), 10))
    assert isinstance(net, nn.Sequential)
    assert net[:2](torch.empty(1, 3, 32, 32, device="meta")).numel() == 39_200


def test_depths_are_those_of_their_names() -> None:
    for depth, name in ((7, 44), (28, 170)):
        net = on_paper("preact-resnet", {"depth": depth}, Shape(3, (32, 32), 10))
        on_path = [key for key, layer in net.named_modules() if isinstance(layer, nn.Conv2d) and "shortcut" not in key]
        assert len(on_path) == name


def test_published_sizes_end_in_one_position() -> None:
    for name, channels, side in (
        ("preact-resnet", 3, 32),
        ("preact-resnet18-imagenet", 3, 224),
        ("preact-resnet-coco", 3, 96),
        ("preact-resnet-jsrt", 1, 256),
    ):
        net = on_paper(name, {}, Shape(channels, (side, side), 10))
        assert net(torch.empty(2, channels, side, side, device="meta")).shape == (2, 10, 1, 1)


def test_a_block_starts_as_its_shortcut() -> None:
    net = build("preact-resnet", {"depth": 2, "width": 0.5}, Shape(3, (32, 32), 10))
    blocks = [module for module in net.modules() if isinstance(module, Block)]
    assert len(blocks) == 6
    for block in blocks:
        x = torch.randn(2, block.pre.get_parameter("0.weight").numel(), 8, 8)
        assert torch.equal(block(x), x if block.shortcut is None else block.shortcut(block.pre(x)))


def test_the_half_huber_knob_means_d_of_one() -> None:
    net = build("one-layer", {"activation": "hhrelu"}, Shape(1, (5, 5), 2))
    activation = net.get_submodule("1")
    assert activation(torch.tensor([-1.0, 0.25, 0.5, 1.0])).tolist() == [0, 0.0625, 0.25, 0.75]


def test_weights_come_from_the_global_seed() -> None:
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(build("mlp", {"hidden": 3}, Shape(1, (2, 2), 2)).get_parameter("1.weight"))
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


@pytest.mark.parametrize(
    ("name", "knobs", "shape", "error", "words"),
    [
        ("preact-resnt", {}, Shape(3, (32, 32), 10), ParamError, "did you mean 'preact-resnet'"),
        ("vgg", {"from": "vgg11"}, Shape(3, (32, 32), 10), ParamError, "No parameter 'from': did you mean 'form'"),
        ("vgg", {"form": "vgg12"}, Shape(3, (32, 32), 10), ParamError, "must be one of vgg11, vgg16"),
        ("mlp", {"activation": "gelu"}, Shape(3, (32, 32), 10), ParamError, "one of relu, hhrelu"),
        ("preact-resnet", {"depth": 0}, Shape(3, (32, 32), 10), ParamError, "between 1 and 64"),
        ("preact-resnet", {}, Shape(1, (28, 28), 10), DataError, "28 × 28 pixels: preact-resnet needs at least 29"),
        ("mlp", {}, Shape(2, (28, 28), 10), DataError, "2 channels: mlp takes grey pictures"),
        ("mlp", {}, Shape(1, (28, 28), 0), DataError, "0 classes"),
        ("phantom-net", {}, Shape(3, (64, 64), 1), DataError, "phantom-net takes grey pictures and gives one logit"),
        ("phantom-net", {}, Shape(1, (64, 64), 2), DataError, "choose another architecture"),
    ],
)
def test_what_does_not_fit_is_said_in_a_line(
    name: str, knobs: dict[str, Any], shape: Shape, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        build(name, knobs, shape)
    assert "\n" not in str(caught.value)
