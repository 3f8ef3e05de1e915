"""LIME: a network that is linear in superpixels, scikit-learn's ridge regression, and what is said of a poor fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from explain_core.methods.lime import METHOD, LimeParams, draw, fit, flat, hidden, superpixels
from tests.methods.closed import asked, pictures, wrapped

SIDE = 24
PARAMS = LimeParams()


def patchwork(channels: int = 3) -> Tensor:
    """Four flat quarters under a little noise: superpixels that nobody can miss."""
    source = torch.Generator().manual_seed(5)
    quarters = torch.tensor([[0.1, 0.9], [0.6, 0.3]]).double().repeat_interleave(SIDE // 2, 0)
    picture = quarters.repeat_interleave(SIDE // 2, 1).expand(channels, -1, -1)
    return (picture + 0.02 * torch.rand(picture.shape, generator=source, dtype=torch.float64)).clamp(0, 1)


class Linear(nn.Module):
    """y_0 = 3 + Σ w z, y_1 = 0: linear in any superpixels."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
        self.weight = nn.Parameter(weight)

    def forward(self, z: Tensor) -> Tensor:
        y = 3 + (z * self.weight).sum((1, 2, 3))
        return torch.stack([y, 0 * y], 1)


@pytest.mark.parametrize("fill", ["segment", "mean", "black", "grey", "white", "blur"])
def test_a_network_that_is_linear_in_superpixels_is_recovered(fill: str) -> None:
    net = Linear()
    model, x = wrapped(net, classes=2), patchwork()[None]
    knobs = LimeParams(fill=fill, segments=20)
    segments = superpixels(x[0], knobs)
    change = (x - hidden(model, x, [segments], fill))[0] * net.weight.detach() / 0.25
    known = torch.zeros(int(segments.max()) + 1).double().index_add(0, segments.flatten(), change.sum(0).flatten())
    found = asked(
        METHOD, model, x, torch.tensor([0]), objective="logit", ridge=0.0, samples=200, fill=fill, segments=20
    )
    assert torch.allclose(found.saliency[0], known[segments], rtol=1e-9, atol=1e-9)
    assert float(found.numbers["r2"]) == pytest.approx(1)
    assert float(found.numbers["standard error"]) < 1e-9
    assert int(found.numbers["superpixels"]) == len(known) > 4


@pytest.mark.parametrize(("ridge", "width"), [(0.0, 0.25), (1.0, 0.25), (10.0, 2.0)])
def test_the_fit_is_scikit_learns(ridge: float, width: float) -> None:
    """Weights by the cosine distance to the picture itself, as the authors compute them."""
    seen = draw(torch.Generator().manual_seed(1), 300, 12).numpy()
    random = np.random.default_rng(2)
    scores = seen @ random.normal(size=12) + (seen[:, 0] & seen[:, 1]) + 0.1 * random.normal(size=300)
    found = fit(seen, scores, LimeParams(ridge=ridge, width=width))
    cosine = seen.sum(1) / np.sqrt(np.maximum(seen.sum(1), 1) * seen.shape[1])
    weights = np.sqrt(np.exp(-((1 - cosine) ** 2) / width**2))
    theirs = Ridge(alpha=ridge).fit(seen, scores, sample_weight=weights)
    assert np.allclose(found.coefficients, theirs.coef_, rtol=1e-9)
    assert found.r2 == pytest.approx(theirs.score(seen, scores, sample_weight=weights))


def test_standard_errors_are_the_scatter_over_repetitions() -> None:
    """300 fits of 200 samples: the mean stated error against the coefficients' own standard deviation, within 15 %."""
    random, source, fits = np.random.default_rng(3), torch.Generator().manual_seed(4), []
    for _ in range(300):
        seen = draw(source, 200, 5).numpy()
        scores = seen @ np.arange(5) + (0.2 + seen[:, 0]) * random.normal(size=200)
        fits.append(fit(seen, scores, LimeParams(ridge=0.0)))
    scatter = np.std([found.coefficients for found in fits], axis=0)
    assert np.allclose(np.mean([found.errors for found in fits], axis=0), scatter, rtol=0.15)


def test_superpixels_follow_the_picture() -> None:
    """Four quarters: no superpixel holds pixels of two; grey is cut as colour is; the same cut every time."""
    colour, grey = patchwork(3), patchwork(1)
    segments = superpixels(colour, LimeParams(segments=16))
    quarter = (torch.arange(SIDE) >= SIDE // 2).long()
    labels = 2 * quarter[:, None] + quarter
    for number in range(int(segments.max()) + 1):
        assert labels[segments == number].unique().numel() == 1
    assert segments.unique().tolist() == list(range(int(segments.max()) + 1))
    assert torch.equal(superpixels(grey, PARAMS), superpixels(grey.expand(3, -1, -1), PARAMS))
    assert torch.equal(superpixels(colour, PARAMS), superpixels(colour, PARAMS))


def test_a_superpixel_is_hidden_by_its_mean_colour() -> None:
    x = pictures(1)[0]
    segments = (torch.arange(36) // 12).view(6, 6)
    for number in range(3):
        inside = segments == number
        assert torch.allclose(flat(x, segments)[:, inside], x[:, inside].mean(1, keepdim=True))


def test_too_few_samples_say_nothing() -> None:
    """Before the second sample there is no fit; superpixels that were never told apart share what they do."""
    assert not fit(np.ones((1, 3), bool), np.ones(1), PARAMS).coefficients.any()
    seen = np.array([[1, 1], [0, 0], [1, 1], [0, 0]], bool)
    found = fit(seen, np.array([2.0, 0, 2, 0]), LimeParams(ridge=0.0))
    assert found.coefficients == pytest.approx([1, 1])
    assert fit(seen, np.ones(4), PARAMS).r2 == 0


class Erratic(nn.Module):
    """y_0 = 5 sin(1000 Σ z), y_1 = 0: no linear model tells of it."""

    def forward(self, z: Tensor) -> Tensor:
        y = 5 * (1e3 * z.sum((1, 2, 3))).sin()
        return torch.stack([y, 0 * y], 1)


def test_a_poor_fit_is_said() -> None:
    x = patchwork()[None]
    found = asked(METHOD, wrapped(Erratic(), classes=2), x, torch.tensor([0]), fill="black", segments=16, samples=300)
    assert float(found.numbers["r2"]) < 0.5
    assert "less than half" in found.outcomes[0]


def test_it_ends_early_where_it_is_precise_enough() -> None:
    model, x = wrapped(Linear(), classes=2), torch.stack([patchwork(), patchwork().flip(1)])
    found = asked(METHOD, model, x, torch.tensor([0, 0]), objective="logit", precision=0.05, segments=16)
    assert found.numbers["samples"].tolist() == [64, 64]
    assert [passes.forward for passes in found.passes] == [65, 65]
