"""Grad-CAM and Grad-CAM++ in closed form behind a global average pool, and against captum."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explain_core.methods.gradcam import METHOD as GRADCAM
from explain_core.methods.gradcam_plus_plus import METHOD as PLUS_PLUS
from explain_core.models.classifier import Classifier
from tests.methods.closed import asked, pictures, wrapped

TARGET = torch.tensor([2, 0, 1])


def pooled() -> Classifier:
    """One convolution of stride 2, global average pool, linear head: y = W mean(A) + b."""
    torch.manual_seed(4)
    layers = (nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4))
    return wrapped(nn.Sequential(*layers))


def parts(model: Classifier, x: Tensor) -> tuple[Tensor, Tensor]:
    """The map A, and the gradient of the targets' logits there, W_t / positions."""
    net = model.net
    assert isinstance(net, nn.Sequential)
    with torch.no_grad():
        layer = net[0]((x - model.mean) / model.std)
    weight = net[3].get_parameter("weight").detach()[TARGET] / (layer.shape[2] * layer.shape[3])
    return layer, weight[:, :, None, None]


def enlarged(coarse: Tensor) -> Tensor:
    return F.interpolate(coarse[:, None].clamp(min=0), size=(6, 6), mode="bilinear", align_corners=False)[:, 0]


def test_gradcam_behind_a_global_pool_is_cam() -> None:
    model, x = pooled(), pictures()
    layer, slope = parts(model, x)
    found = asked(GRADCAM, model, x, TARGET)
    assert torch.allclose(found.saliency, enlarged((slope * layer).sum(1)), rtol=1e-9, atol=1e-12)


def test_gradcam_plus_plus_behind_a_global_pool() -> None:
    """The gradient is one number a channel there, so α is too: w = N g / (2 + a g) where g > 0, else 0."""
    model, x = pooled(), pictures()
    layer, slope = parts(model, x)
    total, count = layer.clamp(min=0).sum((2, 3), keepdim=True), layer.shape[2] * layer.shape[3]
    weights = torch.where(slope > 0, count * slope / (2 + total * slope), 0.0)
    found = asked(PLUS_PLUS, model, x, TARGET)
    assert torch.allclose(found.saliency, enlarged((weights * layer).sum(1)), rtol=1e-9, atol=1e-12)


def test_two_objects_of_different_size() -> None:
    """Channels that fire at one and at four positions, y = Σ_k √(mean A_k): the gradient favours the small object
    twice as much; Grad-CAM++'s factor 1 / (2 + a g) takes a little of that back, by hand.
    """

    class Roots(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.copy = nn.Conv2d(3, 2, 1, bias=False)
            with torch.no_grad():
                self.copy.weight.copy_(torch.eye(2, 3)[:, :, None, None])

        def forward(self, x: Tensor) -> Tensor:
            y = self.copy(x).mean((2, 3)).sqrt().sum(1, keepdim=True)
            return torch.cat([y, -y], 1)

    model = wrapped(Roots(), classes=2)
    x = torch.full((1, 3, 6, 6), 0.4, dtype=torch.float64)
    x[0, 0, 0, 0], x[0, 1, 3:5, 3:5] = 0.9, 0.9
    plain, plus = (asked(method, model, x, torch.tensor([0])).saliency[0] for method in (GRADCAM, PLUS_PLUS))
    assert plain[0, 0] / plain[3, 3] == pytest.approx(2, rel=1e-6)
    # a = 2 and 8, g = 1/(2 · 36 · sqrt(a / 36)): w = 36 g / (2 + a g)
    g = [1 / (72 * (a / 36) ** 0.5) for a in (2, 8)]
    expected = (g[0] / (2 + 2 * g[0])) / (g[1] / (2 + 8 * g[1]))
    assert plus[0, 0] / plus[3, 3] == pytest.approx(expected, rel=1e-6)


def test_gradcam_agrees_with_captum() -> None:
    attr = pytest.importorskip("captum.attr")
    torch.manual_seed(6)
    layers = (nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 6, 3, padding=1), nn.ReLU())
    model, x = wrapped(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 4))), pictures()
    oracle = attr.LayerGradCam(model, model.net.get_submodule("3"))
    expected = oracle.attribute(x.clone(), target=TARGET, relu_attributions=True).detach()[:, 0]
    found = asked(GRADCAM, model, x, TARGET)
    assert expected.any()
    assert torch.allclose(found.saliency, enlarged(expected), rtol=1e-4, atol=1e-9)
