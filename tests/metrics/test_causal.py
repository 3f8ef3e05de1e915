"""Deletion and insertion of networks whose score is known at every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explain_core.api import asking
from explain_core.engine.lending import lend
from explain_core.metrics import METRICS
from explain_core.metrics.base import Case, Reading, Subject
from explain_core.metrics.causal import baseline, blurred
from explain_core.metrics.ranking import descending
from explain_core.models.classifier import Classifier, InputSpec
from tests.metrics.telling import Telling, answer

SIDE = 4


class Share(nn.Module):
    """Two classes; the first one's probability is Σ w·x of a grey picture."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, x: Tensor) -> Tensor:
        share = (x.flatten(1) @ self.weights).clamp(1e-7, 1 - 1e-7)
        return torch.stack([share.log(), (1 - share).log()], dim=1)


def share(weights: np.ndarray[Any, Any], mean: float = 0.0) -> Classifier:
    net = Share(torch.tensor(weights.ravel(), dtype=torch.float64))
    model = Classifier(net, classes=("a", "b"), kind="softmax", input=InputSpec(1, size=(SIDE, SIDE)), mean=[mean])
    return model.double().eval()


def walked(name: str, model: Classifier, pixels: Any, saliency: Any, **knobs: Any) -> tuple[Reading, Telling]:
    metric, ask = METRICS[name], Telling(answer(saliency))
    case = Case("hand", np.asarray(pixels, dtype=np.float32), label=1)
    with lend(model):
        (reading,) = metric.measure(Subject(model, ask), [case], metric.params.build(knobs))
    return reading, ask


WHITE = np.ones((1, SIDE, SIDE))
EQUAL = np.full((SIDE, SIDE), 1 / 16)
FALLING = np.arange(16, 0, -1).reshape(SIDE, SIDE)


@pytest.mark.parametrize("name", ["deletion", "insertion"])
def test_equal_pixels_give_a_straight_line(name: str) -> None:
    """p falls from 1 to 0 (or rises) by 1/16 a pixel: half, with any step that divides 16, whatever the map."""
    for step in (1, 2, 4, 8, 16):
        reading, _ = walked(name, share(EQUAL), WHITE, FALLING, step=step, baseline="black")
        assert reading.value == pytest.approx(0.5, abs=1e-6)
        shares, scores = reading.curves.values()
        assert shares == pytest.approx(np.linspace(0, 1, 16 // step + 1))
        assert scores == pytest.approx(shares if name == "insertion" else 1 - np.array(shares), abs=1e-6)


def test_the_right_pixels_first_is_the_best_order() -> None:
    """All weight on four pixels, taken first, four at a time: 1, 0, 0, 0, 0 and its mirror."""
    weights = np.zeros((SIDE, SIDE))
    weights[0] = 0.25
    first, last = FALLING, -FALLING
    knobs = {"step": 4, "baseline": "black"}
    assert walked("deletion", share(weights), WHITE, first, **knobs)[0].value == pytest.approx(0.125, abs=1e-6)
    assert walked("deletion", share(weights), WHITE, last, **knobs)[0].value == pytest.approx(0.875, abs=1e-6)
    assert walked("insertion", share(weights), WHITE, first, **knobs)[0].value == pytest.approx(0.875, abs=1e-6)
    assert walked("insertion", share(weights), WHITE, last, **knobs)[0].value == pytest.approx(0.125, abs=1e-6)


def test_a_short_last_step_counts_with_its_width() -> None:
    """Step 6 of 16: shares 0, 0.375, 0.75, 1; on a straight line still half."""
    reading, _ = walked("deletion", share(EQUAL), WHITE, FALLING, step=6, baseline="black")
    assert reading.curves["share of pixels"] == (0, 0.375, 0.75, 1)
    assert reading.value == pytest.approx(0.5, abs=1e-6)


def test_the_class_is_the_predicted_one_and_the_step_scales_with_the_area() -> None:
    reading, ask = walked("deletion", share(EQUAL), WHITE, FALLING)
    assert [target for _, target, _, _ in ask.asked] == [0]  # and not the case's label, 1
    assert reading.numbers["step"] == 1
    assert reading.units == (17 + 1) / 2
    metric = METRICS["deletion"]
    assert metric.cost(metric.params()) == (28 + 2) / 2


def test_ties_are_taken_in_row_major_order() -> None:
    saliency = np.array([[1, 2, 1], [2, 0, 1]], dtype=np.float32)
    assert descending(saliency).tolist() == [1, 3, 0, 2, 5, 4]


@pytest.mark.parametrize(("name", "end"), [("mean", 0.4), ("black", 0.0)])
def test_deletion_ends_at_its_baseline(name: str, end: float) -> None:
    """With mean 0.4 the network sees x − 0.4; Σ w·x of the normalised picture is 0.6, then 0 or −0.4."""
    model = share(EQUAL, mean=0.4)
    reading, _ = walked("deletion", model, WHITE, FALLING, baseline=name)
    assert reading.numbers["start"] == pytest.approx(0.6, abs=1e-6)
    assert reading.numbers["end"] == pytest.approx(max(0.0, end - 0.4), abs=1e-6)


def test_the_blur_is_flat_and_fades_to_the_mean() -> None:
    """It keeps a constant inside, and half of it is lost along an edge; a delta spreads to 11 × 11."""
    constant = blurred(torch.ones(1, 31, 31, dtype=torch.float64))
    assert constant[0, 15, 15] == pytest.approx(1)
    assert 0.5 < float(constant[0, 15, 0]) < 0.6
    delta = torch.zeros(1, 31, 31, dtype=torch.float64)
    delta[0, 15, 15] = 1
    spread = blurred(delta)[0]
    assert int((spread > 0).sum()) == 121
    assert float(spread[15, 15] / spread[10, 10]) < 1.8  # a Gaussian's corner of σ 5 would be e times lower
    grey = torch.full((1, SIDE, SIDE), 0.4, dtype=torch.float64)
    assert torch.allclose(baseline(share(EQUAL, mean=0.4), grey, "blur"), grey)  # the mean colour stays as it is


def test_with_a_real_method_on_a_real_stream(tiny: Classifier, rng: torch.Generator) -> None:
    """Against one forward pass a step."""
    x = torch.rand(1, 3, 16, 16, generator=rng)
    metric, ask = METRICS["deletion"], asking(tiny, "gradcam")
    with lend(tiny):
        (reading,) = metric.measure(Subject(tiny, ask, "gradcam"), [Case("a", x[0].numpy())], metric.params())
    target = int(tiny(x).argmax())
    (explained,) = ask([x[0].numpy()], [target])
    order = descending(explained.saliency)
    scores = []
    for count in (*range(0, 256, 10), 256):
        flat = x.clone().flatten(2)
        flat[:, :, order[:count]] = 0.4
        scores.append(tiny(flat.view_as(x)).softmax(1)[0, target].item())
    assert reading.curves["probability"] == pytest.approx(scores, abs=1e-6)


def test_the_mean_curve_is_summed_up() -> None:
    metric = METRICS["deletion"]
    readings = [walked("deletion", share(EQUAL), WHITE * s, FALLING, baseline="black")[0] for s in (1.0, 0.8)]
    summary = metric.summarise(readings, [], metric.params(), 0)
    assert summary.value == pytest.approx(0.45, abs=1e-6)
    assert list(summary.curves) == ["share of pixels", "probability"]
    assert summary.curves["probability"][0] == pytest.approx(0.9, abs=1e-6)
    numbers: Mapping[str, float] = summary.numbers
    assert numbers["start"] == pytest.approx(0.9, abs=1e-6)
