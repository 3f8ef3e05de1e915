"""ARA by hand: of lists, and of a linear classifier whose distances are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from explain_core.engine.lending import lend
from explain_core.metrics import METRICS
from explain_core.metrics.ara import area, curve, naive_accuracy
from explain_core.metrics.base import Case, Reading, Subject
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.records import Answer


def nobody(*_: object, **__: object) -> list[Answer]:
    raise AssertionError("a metric of the model asks for no explanation")


def readings(sizes: Sequence[float], labels: Sequence[int] | None = None, classes: int = 2) -> list[Reading]:
    labels = labels or [index % classes for index in range(len(sizes))]
    return [
        Reading(size, {"correct": float(size > 0), "label": label, "classes": classes})
        for size, label in zip(sizes, labels, strict=True)
    ]


def test_the_area_by_hand() -> None:
    """Four pictures at 0, 0.1, 0.2, 0.4: accuracy 0.75, 0.5, 0.25 on the three pieces."""
    sizes = np.array([0.2, 0.0, 0.4, 0.1])
    assert area(sizes, 0.0) == pytest.approx(0.1 * 0.75 + 0.1 * 0.5 + 0.2 * 0.25)
    assert area(sizes, 0.0) == pytest.approx(sizes.mean())
    assert area(sizes, 0.3) == pytest.approx(0.1 * 0.45 + 0.1 * 0.2)
    assert area(sizes, 0.9) == 0
    assert curve(sizes) == {"r": (0.0, 0.0, 0.1, 0.2, 0.4), "accuracy": (0.75, 0.75, 0.5, 0.25, 0.0)}


def test_naive_is_chance_or_the_majority() -> None:
    balanced = readings([0.1] * 40, classes=4)
    assert naive_accuracy(balanced) == 0.25
    lopsided = readings([0.1] * 40, labels=[0] * 30 + [1] * 10, classes=4)
    assert naive_accuracy(lopsided) == 0.75


def test_the_summary_counts_what_was_not_found_and_knows_its_error() -> None:
    metric = METRICS["attack-ara"]
    found = [*readings([0.0, 0.1, 0.2]), Reading(0.4, {"correct": 1.0, "label": 1, "classes": 2}, censored=True)]
    summary = metric.summarise(found, [], metric.params.build({"naive": 0.3}), 0)
    assert summary.value == pytest.approx(0.065)
    assert summary.not_found == 1
    assert summary.n == 4
    assert summary.numbers == {"accuracy": 0.75, "naive": 0.3}
    assert summary.interval is not None
    assert summary.interval[0] <= 0.065 <= summary.interval[1]
    many = metric.summarise(readings([0.1, 0.3] * 200), [], metric.params.build({"naive": 0.0}), 0)
    assert many.standard_error == pytest.approx(0.1 / 20, rel=0.05)  # with naive 0 the area is the mean
    assert metric.summarise([], [], metric.params(), 0).value is None


@pytest.mark.parametrize("name", ["attack-ara", "btr-ara"])
def test_the_area_of_a_linear_classifier(name: str, rng: torch.Generator) -> None:
    """Distances |w·x + b| / ‖w‖ / √n are known; the ARA follows.  Two classes: both goals are one."""
    weight = torch.randn(48, generator=rng)
    layer = nn.Linear(48, 2)
    layer.weight.data, layer.bias.data = torch.stack([torch.zeros(48), weight]), torch.zeros(2)
    layer.bias.data[1] = -0.5 * weight.sum()
    model = Classifier(nn.Sequential(nn.Flatten(), layer), classes=("a", "b"), kind="softmax", input=InputSpec(3))
    x = 0.5 + 0.05 * torch.randn(24, 3, 4, 4, generator=rng)
    signed = ((x.flatten(1) - 0.5) @ weight) / weight.norm() / 48**0.5
    labels = (signed > 0).long()
    labels[::6] = 1 - labels[::6]  # every sixth is wrong from the start
    cases = [Case(str(row), x[row].numpy(), int(labels[row])) for row in range(24)]
    metric, exact = METRICS[name], signed.abs().double().numpy()
    exact[::6] = 0
    params = metric.params.build({"size": 2, "naive": 0.5})
    with lend(model):
        found = list(metric.measure(Subject(model, nobody), cases, params))
    assert [reading.value for reading in found] == pytest.approx(list(exact), rel=0.02, abs=2e-4)
    assert [reading.value for reading in found[::6]] == [0.0] * 4
    summary = metric.summarise(found, [], params, 0)
    assert summary.value == pytest.approx(float(area(exact, 0.5)), rel=0.02)
    assert summary.numbers["accuracy"] == pytest.approx(20 / 24)
    assert summary.not_found == 0


def test_readings_come_in_the_order_of_cases_of_any_size(tiny: Classifier, rng: torch.Generator) -> None:
    sides = (16, 12, 16)
    cases = [Case(str(side), torch.rand(3, side, side, generator=rng).numpy(), 0) for side in sides]
    metric = METRICS["attack-ara"]
    params = metric.params.build({"steps": 20})
    with lend(tiny):
        together = list(metric.measure(Subject(tiny, nobody), cases, params))
        alone = [next(metric.measure(Subject(tiny, nobody), [case], params)) for case in cases]
    assert [r.value for r in together] == pytest.approx([r.value for r in alone], abs=1e-4)
