"""Guided backprop and deconvnet against the rule written out by hand, however a network calls its rectifiers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explain_core.backward.rectifiers import Rectifying
from explain_core.engine.lending import lend
from explain_core.errors import CannotExplain
from explain_core.methods.base import Method
from explain_core.methods.gradient import GRADIENT
from explain_core.methods.modified_backward import DECONVNET, GUIDED_BACKPROP
from explain_core.models.classifier import Classifier
from explain_core.models.hhrelu import HHReLU
from explain_core.types import Question
from tests.descent.walking import walk
from tests.methods.closed import asked, pictures, wrapped

Act = Callable[[Tensor], Tensor]
TARGET = torch.tensor([2, 0, 1])
BOTH = pytest.mark.parametrize("method", [GUIDED_BACKPROP, DECONVNET], ids=lambda row: row.name)


class PreActivation(nn.Module):
    """A pre-activation residual block, whose rectifier's input also feeds the shortcut, and a plain one after it."""

    def __init__(self, act: Act, copies: bool = False) -> None:
        super().__init__()
        torch.manual_seed(11)
        self.act, self.copies = act, copies
        self.stem, self.branch, self.last = (nn.Conv2d(c, 8, 3, padding=1) for c in (3, 8, 8))
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.branch(self.act(x.clone() if self.copies else x))
        x = self.act(self.last(self.act(x)))
        pooled: Tensor = self.head(F.max_pool2d(x, 2).mean(dim=(2, 3)))
        return pooled


class Guided(torch.autograd.Function):
    """The reference: r_in = [r]₊ · 1[z > 0]."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return z.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (z,), (r,) = ctx.saved_tensors, grads
        return r * (r > 0) * (z > 0)


class Deconvnet(Guided):
    """The reference: r_in = [r]₊."""

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0] * (grads[0] > 0)


REFERENCE = {"guided-backprop": Guided.apply, "deconvnet": Deconvnet.apply}
CALLS: dict[str, Act] = {
    "functional": F.relu,
    "in place by function": torch.relu_,
    "in place by method": lambda z: z.relu_(),
    "in place, result unused": lambda z: (F.relu_(z), z)[1],
    "in place by flag": lambda z: F.relu(z, inplace=True),
    "by method": lambda z: z.relu(),
    "one module, reused": nn.ReLU(),
    "one module in place, reused": nn.ReLU(inplace=True),
    "by name": lambda z: F.relu(input=z),
}


def reference(method: Method, model: Classifier, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(model(x)[torch.arange(len(x)), TARGET].sum(), x)
    return slope.abs().amax(1)


@BOTH
@pytest.mark.parametrize("name", CALLS)
def test_every_call_follows_the_rule(method: Method, name: str) -> None:
    call, copies = CALLS[name], "in place" in name
    expected = reference(method, wrapped(PreActivation(REFERENCE[method.name])), pictures())
    found = asked(method, wrapped(PreActivation(call, copies)), pictures(), TARGET)
    assert torch.allclose(found.saliency, expected, rtol=1e-9, atol=1e-12)
    plain = asked(GRADIENT, wrapped(PreActivation(call, copies)), pictures(), TARGET)
    assert not torch.allclose(found.saliency, plain.saliency, rtol=1e-3)
    assert torch.allclose(found.before, plain.before, rtol=1e-12)


def test_a_shared_network_in_eight_threads() -> None:
    """Both rules and the gradient at the same time on one network, in float32, without a lock."""
    model = wrapped(PreActivation(nn.ReLU(inplace=True), copies=True)).float()
    x = pictures().float()
    expected = {
        method.name: asked(method, model, x, TARGET).saliency for method in (GUIDED_BACKPROP, DECONVNET, GRADIENT)
    }
    with lend(model), ThreadPoolExecutor(8) as pool:
        jobs = [
            (method, pool.submit(walk, method.run(model, Question(x, TARGET), method.params())))
            for _ in range(20)
            for method in (GUIDED_BACKPROP, DECONVNET, GRADIENT)
        ]
        found = [(method, job.result()[0].saliency) for method, job in jobs]
    assert all((saliency - expected[method.name]).abs().max() <= 1e-6 for method, saliency in found)


def test_a_view_changed_in_place() -> None:
    """Half of a map is rectified in place: its gradient follows the rule, the other half's does not."""
    x = torch.tensor([[1.0, -1.0, 1.0, -1.0]], requires_grad=True)
    with Rectifying("guided"):
        z = x * 1
        F.relu_(z[:, :2])
    (slope,) = torch.autograd.grad((z * torch.tensor([3.0, 3.0, -5.0, -5.0])).sum(), x)
    assert slope.tolist() == [[3, 0, -5, -5]]
    with Rectifying("guided"):
        z = x * 1
        F.relu_(z[:, :2])
    (slope,) = torch.autograd.grad((z * -1.0).sum(), x)
    assert slope.tolist() == [[0, 0, -1, -1]]


@pytest.mark.parametrize(
    ("act", "slopes"),
    [
        (F.relu6, [0, 1, 1, 0]),
        (lambda z: F.hardtanh(z, 0.0, 6.0), [0, 1, 1, 0]),
        (lambda z: F.hardtanh(z, min_val=0.0, max_val=6.0), [0, 1, 1, 0]),
        (lambda z: F.hardtanh(z, 0.0), [0, 0, 0, 0]),
        (nn.Hardtanh(0.0, 6.0, inplace=True), [0, 1, 1, 0]),
        (HHReLU(knee=2.0), [0, 0.5, 1, 1]),
    ],
)
def test_other_rectifiers(act: Act, slopes: list[float]) -> None:
    """At z = −1, 1, 3, 7 from above comes 2, then −2."""
    x = torch.tensor([[-1.0, 1.0, 3.0, 7.0]], requires_grad=True)
    for rule, above, expected in (
        ("guided", 2.0, [2 * slope for slope in slopes]),
        ("guided", -2.0, [0.0] * 4),
        ("deconvnet", 2.0, [2.0] * 4),
        ("deconvnet", -2.0, [0.0] * 4),
        ("ordinary", -2.0, [-2 * slope for slope in slopes]),
    ):
        with Rectifying(rule):  # type: ignore[arg-type]
            y = act(x * 1)
        assert torch.equal(y, act(x.detach().clone()))
        (found,) = torch.autograd.grad((above * y).sum(), x)
        assert found.tolist() == [expected]


@BOTH
def test_what_is_no_rectifier_is_refused(method: Method) -> None:
    for call, name in ((F.gelu, "gelu"), (F.silu, "silu"), (lambda z: F.hardtanh(z), "hardtanh")):
        with pytest.raises(CannotExplain, match=name):
            asked(method, wrapped(PreActivation(call)), pictures(), TARGET)
    model = wrapped(PreActivation(nn.GELU()))
    reason = method.cannot(model)
    assert reason is not None
    assert "GELU" in reason


@BOTH
def test_agrees_with_captum_on_modules(method: Method) -> None:
    """Captum sees module rectifiers only, and not those with a shared input, so it is asked about those."""
    attr = pytest.importorskip("captum.attr")
    torch.manual_seed(2)
    net = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(8, 4)),
    )
    model, x = wrapped(net), pictures()
    kind = attr.GuidedBackprop if method is GUIDED_BACKPROP else attr.Deconvolution
    found = asked(method, model, x, TARGET)
    with pytest.warns(UserWarning, match="hooks"):
        expected = kind(model).attribute(x.clone().requires_grad_(), target=TARGET)
    assert torch.allclose(found.saliency, expected.abs().amax(1), rtol=1e-9, atol=1e-12)
