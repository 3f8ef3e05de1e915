"""Excitation backprop: by hand, conserving its sum, the same however a network is written, and its contrast."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from explain_core.backward.excitation import Exciting
from explain_core.errors import CannotExplain
from explain_core.methods.base import Method
from explain_core.methods.excitation import CONTRASTIVE, EXCITATION, relevance_at, stages
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.types import Question
from tests.methods.closed import asked, pictures

BOTH = pytest.mark.parametrize("method", [EXCITATION, CONTRASTIVE], ids=lambda row: row.name)
TARGET = torch.tensor([2, 0, 1])
Layers = dict[str, Tensor]


def plain(net: nn.Module, classes: int = 4) -> Classifier:
    """Without normalisation, so that inputs are not negative."""
    names = [str(index) for index in range(classes)]
    return Classifier(net, classes=names, kind="softmax", input=InputSpec(3)).double().eval()


def shares(a: Tensor, weight: Tensor, p: Tensor) -> Tensor:
    """The rule as a double sum: P(a_j) = Σ_i a_j W⁺_ij / (Σ_k a_k W⁺_ik) P(i)."""
    found = torch.zeros_like(a)
    for i in range(len(weight)):
        excites = a * weight[i].clamp(min=0)
        if excites.sum() > 0:
            found += excites / excites.sum() * p[i]
    return found


def test_by_hand_through_two_linear_maps_and_a_pool() -> None:
    """1 × 1 convolution, ReLU, mean, linear head, with biases that must not count; shown at the input."""
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Identity(), nn.Conv2d(3, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)
    )
    model, x = plain(net), pictures(1)
    wide, head = (net[i].get_parameter("weight").detach().flatten(1) for i in (1, 5))
    with torch.no_grad():
        a = net[:3](x)
    for method, sign in ((EXCITATION, 0.0), (CONTRASTIVE, 1.0)):
        seed = torch.eye(4, dtype=torch.float64)[2]
        pooled = shares(a.mean((2, 3))[0], head, seed) - sign * shares(a.mean((2, 3))[0], -head, seed)
        spread = pooled[:, None, None] * a[0] / a[0].sum((1, 2), keepdim=True).clamp(min=1e-300)
        expected = torch.zeros(3, 6, 6, dtype=torch.float64)
        for u in range(6):
            for v in range(6):
                expected[:, u, v] = shares(x[0, :, u, v], wide, spread[:, u, v])
        found = asked(method, model, x, torch.tensor([2]), layer="0")
        total = expected.sum(0)
        assert torch.allclose(found.saliency[0], total.clamp(min=0) if sign else total, rtol=1e-9, atol=1e-15)


def test_the_sum_is_conserved() -> None:
    """A bias-free ReLU network on non-negative pictures: 1 at the logit is 1 at every layer with excited units."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, bias=False))
    net = nn.Sequential(nn.Identity(), *layers, nn.ReLU(), nn.AvgPool2d(1), nn.Flatten(), nn.Linear(8, 4, bias=False))
    model, x = plain(net), pictures()
    for layer in ("0", "1", "2", "3"):
        name, relevance, _ = relevance_at(model, Question(x, TARGET), layer, contrast=False)
        assert name == layer
        assert (relevance >= 0).all()
        assert torch.allclose(relevance.sum((1, 2, 3)), torch.ones(3).double(), rtol=1e-9)
    name, relevance, _ = relevance_at(model, Question(x, TARGET), "2", contrast=True)
    assert relevance.sum((1, 2, 3)).abs().max() < 1e-9


class Written(nn.Module):
    """One network, written in several ways: two convolutions with batch norm and a shortcut, mean, head."""

    def __init__(self, way: str) -> None:
        super().__init__()
        torch.manual_seed(8)
        self.way = way
        self.stem, self.branch = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(6), nn.Linear(6, 4)
        self.norm.running_mean = torch.linspace(-0.1, 0.1, 6)
        self.act, self.pool = nn.ReLU(inplace=way == "in place"), nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        if self.way == "functional":
            x = torch.relu(self.stem(x))
            y = F.conv2d(input=x, weight=self.branch.weight, bias=self.branch.bias, padding=1)
            x = F.relu(torch.add(x, self.norm(y)))
            return F.linear(x.mean(dim=(2, 3)), weight=self.head.weight, bias=self.head.bias)
        x = self.act(self.stem(x))
        y = self.norm(self.branch(x))
        if self.way == "in place":
            y += x
            x = self.act(y)
            return self.head(torch.flatten(F.avg_pool2d(x, x.shape[-1]), 1))  # type: ignore[no-any-return]
        x = self.act(x + y)
        return self.head(self.pool(x).flatten(1))  # type: ignore[no-any-return]


@BOTH
def test_however_the_network_is_written(method: Method) -> None:
    maps = [
        asked(method, plain(Written(way)), pictures(), TARGET, layer="stem").saliency
        for way in ("modules", "functional", "in place")
    ]
    assert maps[0].any()
    assert torch.allclose(maps[0], maps[1], rtol=1e-9, atol=1e-15)
    assert torch.allclose(maps[0], maps[2], rtol=1e-9, atol=1e-15)


def test_a_sum_shares_by_size() -> None:
    a, b = (torch.tensor(values, requires_grad=True) for values in ([1.0, -1.0, 0.0, -2.0], [3.0, 2.0, 0.0, -2.0]))
    for add in (lambda p, q: p + q, lambda p, q: p.clone().add_(q), torch.add):
        with Exciting():
            total = add(a * 1.0, b * 1.0)
        assert total.tolist() == [4, 1, 0, -4]
        parts = torch.autograd.grad(total, (a, b), torch.full((4,), 8.0))
        assert [part.tolist() for part in parts] == [[2, 0, 0, 0], [6, 8, 0, 0]]


def test_the_contrast_is_the_difference_to_a_copied_head() -> None:
    """P at the map with the head, minus P with a negated copy of it; the network itself is left alone."""
    torch.manual_seed(5)
    layers = (nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
    model, x = plain(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))), pictures()
    opposite = copy.deepcopy(model)
    with torch.no_grad():
        opposite.net.get_parameter("7.weight").neg_()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    question = Question(x, TARGET)
    speaks, against = (relevance_at(net, question, "1", contrast=False)[1] for net in (model, opposite))
    _, found, _ = relevance_at(model, question, "1", contrast=True)
    assert torch.allclose(found, speaks - against, rtol=1e-9, atol=1e-15)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_first_class_of_a_binary_network(tiny_named: Callable[[str], Classifier], rng: torch.Generator) -> None:
    """It speaks through the negated weights of the one logit."""
    model = tiny_named("binary").double()
    x, target = torch.rand(2, 3, 16, 16, generator=rng).double(), torch.tensor([0, 1])
    opposite = copy.deepcopy(model)
    with torch.no_grad():
        opposite.net.get_parameter("head.weight").neg_()
    found = asked(EXCITATION, model, x, target).saliency
    assert found.any()
    assert torch.allclose(found.flip(0), asked(EXCITATION, opposite, x.flip(0), target).saliency, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "layer"),
    [("vgg16", "features.23"), ("vgg16_bn", "features.33"), ("resnet50", "layer3.5"), ("squeezenet1_1", "features.7")],
)
def test_the_default_layer(name: str, layer: str) -> None:
    """At 64 pixels, the proportions being those of 224; `layer3.5` is the last block of layer3, the same output."""
    with torch.device("meta"):
        net = models.get_model(name, weights=None, num_classes=4)
        if name.startswith("vgg"):
            net.classifier = nn.Linear(512 * 7 * 7, 4)  # its own is too large for a quick test
    model = plain(net.to_empty(device="cpu")).float()
    for parameter in net.parameters():
        nn.init.constant_(parameter, 0.01)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    question = Question(torch.rand(1, 3, 64, 64), torch.tensor([1]))
    found, relevance, _ = relevance_at(model, question, "auto", contrast=False)
    assert found == layer
    assert float(relevance.sum()) == pytest.approx(1, abs=1e-4)
    again, same, _ = relevance_at(model, question, "auto", contrast=False)
    assert again == layer  # known by now, so that nothing before it is recorded
    assert torch.equal(same, relevance)


def test_stages_open_sequences_and_wrappers() -> None:
    block = Written("modules")
    net = nn.Sequential(nn.Sequential(block, nn.ReLU()), nn.Flatten())
    assert list(stages(net)) == ["0.0", "0.1", "1"]
    wrapper = nn.Module()
    wrapper.inner = net
    assert list(stages(wrapper)) == ["inner.0.0", "inner.0.1", "inner.1"]


class Gated(Written):
    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.stem(x))
        return self.head((x * self.branch(x)).mean(dim=(2, 3)))  # type: ignore[no-any-return]


@BOTH
def test_what_has_no_rule_is_refused(method: Method) -> None:
    with pytest.raises(CannotExplain, match="'mul'"):
        asked(method, plain(Gated("modules")), pictures(), TARGET)
    with pytest.raises(CannotExplain, match="puts out a map"):
        asked(method, plain(Written("modules")), pictures(), TARGET, layer="head")
    with pytest.raises(CannotExplain, match="No layer"):
        asked(method, plain(Written("modules")), pictures(), TARGET, layer="steam")
