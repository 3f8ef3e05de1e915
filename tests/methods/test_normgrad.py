"""NormGrad behind a global pool in closed form, and meta-saliency against a network that was really stepped."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from explain_core.methods.base import Method
from explain_core.methods.normgrad import NORMGRAD, SELECTIVE, stepped
from explain_core.models.classifier import Classifier
from explain_core.types import Question
from tests.methods.closed import asked, linear, pictures
from tests.methods.test_gradcam import TARGET, parts, pooled

BOTH = pytest.mark.parametrize("method", [NORMGRAD, SELECTIVE], ids=lambda row: row.name)


@BOTH
def test_behind_a_global_pool(method: Method) -> None:
    """The gradient is W_t / positions everywhere: ‖W_t‖ ‖A[u]‖ / N, and ‖[W_t ⊙ A[u]]₊‖ / N."""
    model, x = pooled(), pictures()
    layer, slope = parts(model, x)
    if method is NORMGRAD:
        coarse = slope.square().sum(1).sqrt() * layer.square().sum(1).sqrt()
    else:
        coarse = (slope * layer).clamp(min=0).square().sum(1).sqrt()
    expected = F.interpolate(coarse[:, None], size=(6, 6), mode="bilinear", align_corners=False)[:, 0]
    found = asked(method, model, x, TARGET)
    assert torch.allclose(found.saliency, expected, rtol=1e-9, atol=1e-12)


def test_a_step_of_a_linear_network() -> None:
    """∂ℓ/∂W = (p − e_t) zᵀ and ∂ℓ/∂b = p − e_t, with z the normalised picture."""
    model, _ = linear()
    x, target, rate = pictures(1), torch.tensor([2]), 0.01
    logits, weights = stepped(model, Question(x, target), rate)
    with torch.no_grad():
        assert torch.equal(logits, model(x))
    error = logits[0].softmax(0) - torch.eye(4).double()[2]
    z = ((x - model.mean) / model.std).flatten()
    weight, bias = (model.net.get_parameter(f"1.{name}").detach() for name in ("weight", "bias"))
    assert torch.allclose(weights["net.1.weight"], weight - rate * error[:, None] * z, rtol=1e-9, atol=1e-12)
    assert torch.allclose(weights["net.1.bias"], bias - rate * error, rtol=1e-9, atol=1e-12)


@BOTH
@pytest.mark.parametrize("rate", [0.05, -0.05])
def test_meta_saliency_is_that_of_a_network_really_stepped(
    method: Method, rate: float, tiny_named: Callable[[str], Classifier], rng: torch.Generator
) -> None:
    model = tiny_named("residual").double()
    x, target = torch.rand(2, 3, 16, 16, generator=rng).double(), torch.tensor([1, 3])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = asked(method, model, x, target, meta_step=rate)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with torch.no_grad():
        assert torch.allclose(found.before, model(x), rtol=1e-9)
    for row in range(2):
        moved = copy.deepcopy(model).requires_grad_()
        moved.cross_entropy(moved(x[row : row + 1]), target[row : row + 1]).sum().backward()
        torch.optim.SGD(moved.parameters(), rate if rate > 0 else -rate, maximize=rate < 0).step()
        expected = asked(method, moved, x[row : row + 1], target[row : row + 1]).saliency[0]
        assert torch.allclose(found.saliency[row], expected, rtol=1e-9, atol=1e-12)
        plain = asked(method, model, x[row : row + 1], target[row : row + 1]).saliency[0]
        assert not torch.allclose(expected, plain, rtol=1e-3)


def test_the_cost_of_a_step(tiny: Classifier, rng: torch.Generator) -> None:
    x, target = torch.rand(2, 3, 16, 16, generator=rng), torch.tensor([1, 3])
    for rate in (0.0, 0.01):
        found = asked(NORMGRAD, tiny, x, target, meta_step=rate)
        assert {passes.units for passes in found.passes} == {NORMGRAD.cost(NORMGRAD.params.build({"meta_step": rate}))}
