"""SmoothGrad: a linear network's weights, a quadratic's expectation, and a row's own noise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from explain_core.engine.lending import lend
from explain_core.methods.gradient import GRADIENT
from explain_core.methods.smoothgrad import METHOD
from explain_core.models.classifier import Classifier
from explain_core.types import Question, Step
from tests.descent.walking import walk
from tests.methods.closed import STD, asked, linear, pictures, wrapped

TARGET = torch.tensor([2, 0, 2])


class Cubes(nn.Module):
    """y_0 = Σ z³, y_1 = 0: the gradient is 3 z², and its mean under noise of standard deviation s is 3 (z² + s²)."""

    def forward(self, z: Tensor) -> Tensor:
        y = z.pow(3).sum((1, 2, 3))[:, None]
        return torch.cat([y, 0 * y], 1)


def test_a_linear_network_shows_its_weights_whatever_the_noise() -> None:
    model, weights = linear()
    found = asked(METHOD, model, pictures(), TARGET, samples=3, noise=1.0)
    assert torch.allclose(found.saliency, weights.double()[TARGET].abs().amax(1), rtol=1e-9)
    squared = asked(METHOD, model, pictures(), TARGET, samples=3, squared=True)
    assert torch.allclose(squared.saliency, weights.double()[TARGET].square().amax(1), rtol=1e-9)


def test_without_noise_it_is_the_gradient(tiny: Classifier, rng: torch.Generator) -> None:
    x, target = torch.rand(2, 3, 16, 16, generator=rng).double(), torch.tensor([1, 3])
    plain = asked(GRADIENT, tiny.double(), x, target)
    found = asked(METHOD, tiny, x, target, samples=2, noise=0.0)
    assert torch.allclose(found.saliency, plain.saliency, rtol=1e-12)
    assert torch.equal(found.before, plain.before)


def test_the_mean_under_noise_of_the_stated_size() -> None:
    """Averaged over all pixels 500 copies scatter by 0.5 % (20 seeds); noise of σ² for σ would be off by a half."""
    x, q = 0.2 + 0.5 * pictures(1), 0.3
    found = asked(METHOD, wrapped(Cubes(), classes=2), x, torch.tensor([0]), samples=500, noise=q, channels="sum")
    spread = q * float(x.max() - x.min())
    expected = 3 / STD**3 * ((x - 0.4).square() + spread**2).sum(1)
    assert float(found.saliency.mean()) == pytest.approx(float(expected.mean()), rel=0.02)


def test_noise_is_the_rows_own() -> None:
    """Seed and key decide: alone as in a batch, after others have been dropped too; another seed is another map."""
    model, x = wrapped(Cubes(), classes=2), pictures()
    target, keys, params = torch.tensor([0, 0, 0]), ("a", "b", "c"), METHOD.params.build({"samples": 25})

    def drop(step: Step) -> frozenset[int] | None:
        return frozenset({0}) if step.done == 10 else None

    with lend(model):
        together, _ = walk(METHOD.run(model, Question(x, target, keys=keys), params))
        thinned, steps = walk(METHOD.run(model, Question(x, target, keys=keys), params), drop)
        alone, _ = walk(METHOD.run(model, Question(x[1:2], target[:1], keys=("b",)), params))
        other, _ = walk(METHOD.run(model, Question(x, target, seed=1, keys=keys), params))
    assert torch.allclose(together.saliency[1], alone.saliency[0], rtol=1e-12)
    assert torch.allclose(together.saliency[1:], thinned.saliency[1:], rtol=1e-12)
    assert [len(step.rows) for step in steps if step.rows is not None] == [3, 2, 2]
    assert [(p.forward, p.backward) for p in thinned.passes] == [(11, 10), (26, 25), (26, 25)]
    assert not torch.allclose(together.saliency, other.saliency, rtol=1e-3)
