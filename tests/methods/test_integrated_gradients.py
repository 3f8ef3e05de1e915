"""Integrated gradients: exact where the path's integrand is a polynomial, complete where it is not, and captum's."""

from __future__ import annotations

import pytest
import torch

from explain_core.methods.integrated_gradients import METHOD
from explain_core.methods.pixels import baseline_of
from explain_core.models.classifier import Classifier
from tests.methods.closed import asked, linear, pictures, wrapped
from tests.methods.test_smoothgrad import Cubes

BASELINES = pytest.mark.parametrize("baseline", ["black", "mean", "blur", "white"])
TARGET = torch.tensor([2, 0, 2])


@BASELINES
def test_one_step_is_enough_for_a_linear_network(baseline: str) -> None:
    model, weights = linear()
    x = pictures()
    found = asked(METHOD, model, x, TARGET, baseline=baseline, steps=1)
    expected = ((x - baseline_of(model, x, baseline)) * weights.double()[TARGET]).sum(1)
    assert torch.allclose(found.saliency, expected, rtol=1e-9, atol=1e-12)
    assert found.numbers["completeness_gap"].abs().max() < 1e-9
    assert all(f"From {baseline}" in text for text in found.outcomes)


def test_two_steps_are_exact_for_a_cubic() -> None:
    """Its gradient along the path is quadratic, which two Gauss points integrate exactly: z³ − z₀³ per channel."""
    model, x = wrapped(Cubes(), classes=2), pictures(1)
    found = asked(METHOD, model, x, torch.tensor([0]), steps=2)
    z, start = (x - model.mean) / model.std, (0 * x - model.mean) / model.std
    assert torch.allclose(found.saliency, (z**3 - start**3).sum(1), rtol=1e-9)
    rough = asked(METHOD, model, x, torch.tensor([0]), steps=1)
    gap = (z**3 - start**3).sum() - rough.saliency.sum()
    assert float(rough.numbers["completeness_gap"]) == pytest.approx(float(gap), rel=1e-9)
    assert "raise the steps" in rough.outcomes[0]


@BASELINES
@pytest.mark.parametrize("objective", ["logit", "log-odds"])
def test_it_is_complete(baseline: str, objective: str, tiny: Classifier, rng: torch.Generator) -> None:
    x, target = torch.rand(2, 3, 16, 16, generator=rng).double(), torch.tensor([1, 3])
    found = asked(METHOD, tiny.double(), x, target, baseline=baseline, objective=objective, steps=300)
    with torch.no_grad():
        ends = [tiny(picture) for picture in (baseline_of(tiny, x, baseline), x)]
    score = tiny.log_odds if objective == "log-odds" else lambda y, t: y[torch.arange(2), t]
    rise = score(ends[1], target) - score(ends[0], target)
    assert torch.allclose(found.saliency.sum((1, 2)), rise, atol=2e-3)
    assert torch.allclose(found.saliency.sum((1, 2)) + found.numbers["completeness_gap"], rise, rtol=1e-9)


def test_agrees_with_captum(tiny: Classifier, rng: torch.Generator) -> None:
    attr = pytest.importorskip("captum.attr")
    x, target = torch.rand(2, 3, 16, 16, generator=rng).double(), torch.tensor([1, 3])
    for steps in (5, 50):
        found = asked(METHOD, tiny.double(), x, target, steps=steps)
        oracle = attr.IntegratedGradients(tiny)
        expected = oracle.attribute(x.clone(), torch.zeros_like(x), target=target, n_steps=steps).detach().sum(1)
        assert (found.saliency - expected).abs().max() <= 1e-4 * expected.abs().max()
