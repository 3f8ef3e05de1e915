"""Gradient and input × gradient of a linear network: its weights, and what each pixel adds."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from explain_core.methods.gradient import GRADIENT, INPUT_TIMES_GRADIENT
from explain_core.methods.pixels import baseline_of
from explain_core.methods.smoothing import gaussian
from tests.methods.closed import MEAN, SIDE, asked, linear, pictures, wrapped

TARGET = torch.tensor([2, 0, 2])


def test_a_linear_network_shows_its_weights() -> None:
    model, weights = linear()
    chosen = weights.double()[TARGET]
    maps = {
        "largest": chosen.abs().amax(1),
        "mean": chosen.abs().mean(1),
        "sum": chosen.sum(1),
    }
    for channels, expected in maps.items():
        found = asked(GRADIENT, model, pictures(), TARGET, channels=channels)
        assert torch.allclose(found.saliency, expected, rtol=1e-12, atol=1e-12)
    blurred = asked(GRADIENT, model, pictures(), TARGET, smooth=0.1)
    assert torch.allclose(blurred.saliency, gaussian(maps["largest"], 0.1 * SIDE))


def test_the_log_odds_of_a_linear_network() -> None:
    """∂(y_t − logsumexp of the others) = w_t − Σ_j softmax_j(others) w_j."""
    model, weights = linear()
    x, weights = pictures(1), weights.double()
    logits = model(x)[0].detach()
    share = logits[1:].softmax(0)
    expected = weights[0] - (share[:, None, None, None] * weights[1:]).sum(0)
    found = asked(GRADIENT, model, x, torch.tensor([0]), objective="log-odds", channels="sum")
    assert torch.allclose(found.saliency[0], expected.sum(0), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("baseline", ["black", "mean", "blur", "white"])
def test_on_a_linear_network_the_parts_add_up(baseline: str) -> None:
    model, weights = linear()
    x = pictures()
    zero = baseline_of(model, x, baseline)
    found = asked(INPUT_TIMES_GRADIENT, model, x, TARGET, baseline=baseline)
    assert torch.allclose(found.saliency, ((x - zero) * weights.double()[TARGET]).sum(1), rtol=1e-12, atol=1e-12)
    rows = torch.arange(3)
    with torch.no_grad():
        difference = model(x)[rows, TARGET] - model(zero)[rows, TARGET]
    assert torch.allclose(found.numbers["sum"], difference, rtol=1e-9, atol=1e-9)


def test_baselines() -> None:
    model, x = linear()[0], pictures(1)
    assert (baseline_of(model, x, "black") == 0).all()
    assert (baseline_of(model, x, "white") == 1).all()
    assert torch.allclose(baseline_of(model, x, "mean"), torch.full_like(x, MEAN))
    blurred = baseline_of(model, x, "blur")
    assert blurred.shape == x.shape
    assert blurred.std() < x.std()


def test_nothing_to_see_is_said() -> None:
    model = wrapped(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 4)))
    with torch.no_grad():
        model.net[1].weight.zero_()  # type: ignore[index, union-attr]
    found = asked(GRADIENT, model, pictures(1), torch.tensor([1]))
    assert found.outcomes[0].startswith("Empty")
