"""Accuracy under attack on a linear classifier, whose accuracy at every ε is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explain_core.engine.lending import lend
from explain_core.errors import ParamError
from explain_core.metrics import METRICS
from explain_core.metrics.base import Case, Reading, Subject
from explain_core.models.classifier import Classifier
from tests.attacks.linear import PIXELS, SIDE, straight

METRIC = METRICS["accuracy-under-attack"]
COUNT = 20
LINF = ("fgsm", "pgd-linf", "deepfool-linf")


def nobody(*_: object, **__: object) -> list[object]:
    raise AssertionError("a metric of the model asks for no explanation")


@pytest.fixture
def known(rng: torch.Generator) -> tuple[Classifier, list[Case], Tensor, Tensor]:
    """A linear classifier, cases near grey (the first four mislabelled), and their distances in L2 (RMSE) and L∞."""
    weight = torch.randn(2, PIXELS, generator=rng)
    weight[1] = -weight[0]
    model = straight(weight)
    x = 0.5 + 0.05 * torch.randn(COUNT, 3, SIDE, SIDE, generator=rng)
    logits = model(x).detach()
    labels = logits.argmax(1)
    labels[:4] = 1 - labels[:4]
    gap, slope = logits.diff(dim=1).abs()[:, 0], weight[0] - weight[1]
    cases = [Case(str(row), x[row].numpy(), int(labels[row])) for row in range(COUNT)]
    distances = torch.stack([gap / slope.norm() / PIXELS**0.5, gap / slope.abs().sum()])
    distances[:, :4] = 0
    return model, cases, distances[0], distances[1]


def read(model: Classifier, cases: list[Case], **knobs: str) -> list[Reading]:
    with lend(model):
        return list(METRIC.measure(Subject(model, nobody), cases, METRIC.params.build(knobs)))  # type: ignore[arg-type]


@pytest.mark.parametrize("attack", ["fgsm", "pgd-linf", "pgd-l2", "deepfool-l2", "deepfool-linf", "adv"])
def test_the_curve_of_a_linear_classifier(attack: str, known: tuple[Classifier, list[Case], Tensor, Tensor]) -> None:
    model, cases, l2, linf = known
    exact = linf if attack in LINF else l2
    ordered = exact[exact > 0].sort().values
    widest = (ordered[1:] / ordered[:-1]).topk(3).indices.sort().values  # DeepFool goes 2 % beyond the border
    bounds = (ordered[widest] * ordered[widest + 1]).sqrt().tolist()
    found = read(model, cases, attack=attack, eps=",".join(f"{value:.8f}" for value in bounds))
    summary = METRIC.summarise(found, [], METRIC.params(), 0)
    expected = [float((exact > value).float().mean()) for value in (0.0, *bounds)]
    assert summary.curves["accuracy"] == pytest.approx(expected)
    assert summary.curves["eps"] == pytest.approx((0.0, *bounds), abs=1e-8)
    assert summary.value == pytest.approx(expected[-1])
    assert summary.numbers["accuracy"] == pytest.approx(16 / COUNT)
    if attack in ("fgsm", "pgd-linf", "pgd-l2"):
        assert found[0].units == 1.0  # wrong from the start: one look
        assert found[0].units < max(reading.units for reading in found)


def test_eps_must_be_numbers_in_range() -> None:
    assert METRIC.params.build({"eps": "0.1,.05,1e-3,0.1"}).bounds == (0.001, 0.05, 0.1)  # type: ignore[attr-defined]
    for wrong in ("", "0", "2", "0.1,", "a", "-0.1"):
        with pytest.raises(ParamError, match="eps"):
            METRIC.params.build({"eps": wrong})
