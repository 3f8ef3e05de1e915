"""VII and average density of networks whose gradients and activations are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explain_core.engine.lending import lend
from explain_core.metrics import METRICS
from explain_core.metrics.base import Case, Reading, Subject
from explain_core.models.classifier import Classifier, InputSpec
from tests.metrics.telling import Telling

PIXELS = np.array([[[0.6, 0.4], [0.7, 0.5]]], dtype=np.float32)


def linear(weights: Any) -> Classifier:
    """Two classes of 2 × 2 grey pixels; the log-odds of the second is w·x."""
    layer = nn.Linear(4, 2)
    layer.weight.data, layer.bias.data = torch.tensor([[0.0] * 4, weights]), torch.zeros(2)
    return Classifier(nn.Sequential(nn.Flatten(), layer), classes=("a", "b"), kind="softmax", input=InputSpec(1))


def read(name: str, model: Classifier, *cases: Case, mean: Any = 0.5) -> list[Reading]:
    subject = Subject(model, Telling(), mean=np.full((1, 2, 2), mean, np.float32))
    with lend(model):
        return list(METRICS[name].measure(subject, cases, METRICS[name].params()))


@pytest.mark.parametrize("label", [0, 1])
def test_the_index_by_hand(label: int) -> None:
    """d = (1, −1, 1, 0); g = ±(1, 1, 1, −1): 1 of √3·√4, whichever class it is."""
    (reading,) = read("vii", linear([0.3, 2.0, 1.0, -1.0]), Case("a", PIXELS, label))
    assert reading.value == pytest.approx(1 / math.sqrt(12))
    assert reading.numbers == {"chance": pytest.approx(math.sqrt(2 / (4 * math.pi)))}


def test_a_gradient_like_the_picture_and_one_that_is_zero() -> None:
    case = Case("a", PIXELS, 1)
    assert read("vii", linear([5.0, -2.0, 0.1, 0.0]), case)[0].value == pytest.approx(1)
    assert read("vii", linear([-5.0, 2.0, -0.1, 0.0]), case)[0].value == pytest.approx(1)
    nothing = read("vii", linear([0.0] * 4), case)[0]
    assert nothing.value is None
    assert "zero" in nothing.note


def test_a_saturated_model_still_has_its_index() -> None:
    """p = 1 in float32: the cross-entropy's gradient would be zero."""
    (reading,) = read("vii", linear([300.0, -200.0, 400.0, 0.0]), Case("a", PIXELS, 1))
    assert reading.value == pytest.approx(1)


def test_random_signs_reach_chance(rng: torch.Generator) -> None:
    weights = torch.randn(2, 3 * 32 * 32, generator=rng)
    layer = nn.Linear(3 * 32 * 32, 2, bias=False)
    layer.weight.data = weights
    model = Classifier(nn.Sequential(nn.Flatten(), layer), classes=("a", "b"), kind="softmax", input=InputSpec(3))
    cases = [Case(str(i), torch.rand(3, 32, 32, generator=rng).numpy(), 0) for i in range(200)]
    subject = Subject(model, Telling(), mean=np.full((3, 32, 32), 0.5, np.float32))
    with lend(model):
        found = list(METRICS["vii"].measure(subject, cases, METRICS["vii"].params()))
    summary = METRICS["vii"].summarise(found, [], METRICS["vii"].params(), 0)
    assert summary.value == pytest.approx(summary.numbers["chance"], rel=0.15)
    assert summary.numbers["chance"] == pytest.approx(0.0144, abs=1e-4)


def test_sizes_may_differ_and_the_mean_must_fit() -> None:
    (fits, does_not) = read(
        "vii", linear([1.0] * 4), Case("a", PIXELS, 1), Case("b", np.zeros((1, 4, 4), np.float32), 1)
    )
    assert fits.value is not None
    assert does_not.value is None
    assert "mean picture" in does_not.note


class Known(nn.Module):
    """Two activations: of (x − 0.55) and, functional, of a single sum."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        alive = self.relu(x.flatten(1) - 0.55)
        total = torch.relu(alive.sum(1, keepdim=True) - 10)
        return torch.cat([total, alive[:, :1]], dim=1)


def test_density_by_hand() -> None:
    """Two of four pixels exceed 0.55, and the sum never exceeds 10: 2 of 5."""
    model = Classifier(Known(), classes=("a", "b"), kind="softmax", input=InputSpec(1))
    (reading,) = read("average-density", model, Case("a", PIXELS))
    assert reading.value == pytest.approx(2 / 5)
    assert reading.curves == {"activation function": (0, 1), "density": (0.5, 0)}
    assert reading.numbers == {"activations": 5}
    (none,) = read("average-density", linear([1.0] * 4), Case("a", PIXELS))
    assert none.value is None
    assert "no activation" in none.note
