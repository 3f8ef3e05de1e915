"""Agreement, stability and sensitivity of maps made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from explain_core.api import asking
from explain_core.engine.lending import lend
from explain_core.metrics import METRICS
from explain_core.metrics.base import Case, Reading, Subject
from explain_core.metrics.sensitivity import SensitivityParams, draw
from explain_core.metrics.stability import blurred
from explain_core.models.classifier import Classifier
from tests.metrics.telling import Telling, answer
from tests.metrics.test_causal import share

A, B = np.array([[0, 1], [2, 4]]), np.array([[4, 2], [1, 0]])


def told(model: Classifier, name: str, *maps: np.ndarray[Any, Any], **knobs: Any) -> tuple[Reading, Telling]:
    """The metric's reading where the maps are given in turn."""
    ask, case = Telling(*map(answer, maps)), Case("a", np.full((3, 16, 16), 0.5, np.float32))
    with lend(model):
        (reading,) = METRICS[name].measure(Subject(model, ask), [case], METRICS[name].params.build(knobs))
    return reading, ask


def test_agreement_by_hand(tiny: Classifier) -> None:
    reading, ask = told(tiny, "agreement", A, B, other="explain-plus", share=0.75)
    assert reading.value == pytest.approx(-1)
    assert reading.numbers == {"top": 2 / 4, "top by chance": 0.6}
    assert [method for _, _, method, _ in ask.asked] == ["explain-plus", None]
    assert told(tiny, "agreement", A, A)[0].value == pytest.approx(1)
    constant, _ = told(tiny, "agreement", A, np.zeros((2, 2)))
    assert constant.value is None
    assert "constant" in constant.note


def test_a_method_that_cannot_explain_the_model_is_told(tiny_named: Callable[[str], Classifier]) -> None:
    model = tiny_named("linear")
    case, metric = Case("a", np.full((3, 16, 16), 0.5, np.float32)), METRICS["agreement"]
    with lend(model):
        (reading,) = metric.measure(Subject(model, asking(model, "explain-plus")), [case], metric.params())
    assert reading.value is None
    assert "gradcam cannot explain" in reading.note


def test_stability_by_hand(tiny: Classifier) -> None:
    """(0, ¼, ½, 1) against (1, ½, ¼, 0): 2.125 over four pixels."""
    reading, ask = told(tiny, "stability-blur", A, B, sigma=1)
    assert reading.value == pytest.approx(2.125)
    assert reading.numbers == {"per pixel": pytest.approx(2.125 / 4)}
    (_, first, _, _), (_, second, _, _) = ask.asked
    assert first == second


def test_two_patches_are_asked_for(tiny: Classifier) -> None:
    reading, ask = told(tiny, "stability-patch", A, B)
    assert reading.value == pytest.approx(2.125)
    assert [method for _, _, method, _ in ask.asked] == ["occlusion", "occlusion"]
    expected = {"stride": 2, "fill": "grey", "objective": "probability"}
    assert [knobs for _, _, _, knobs in ask.asked] == [{"patch": 4, **expected}, {"patch": 2, **expected}]


def test_two_patches_on_a_linear_network_by_hand() -> None:
    """p is the corner pixel: only patches that cover it cost anything."""
    weights = torch.zeros(4, 4, dtype=torch.float64)
    weights[0, 0] = 1
    model = share(weights.numpy())
    case = Case("a", np.full((1, 4, 4), 0.9, np.float32))
    metric = METRICS["stability-patch"]
    with lend(model):
        (reading,) = metric.measure(Subject(model, asking(model)), [case], metric.params())
    # 2 × 2: drop 0.4 on the corner's four pixels, scaled to 1; 4 × 4: constant, so zeros.
    assert reading.value == pytest.approx(4, abs=1e-4)


def test_the_blur_keeps_channels_apart_and_stays_in_the_box() -> None:
    x = np.zeros((3, 9, 9), np.float32)
    x[1, 4, 4] = 1
    soft = blurred(x, 0.5)
    assert soft[[0, 2]].max() == 0
    assert soft[1].sum() == pytest.approx(1)
    assert soft[1, 4, 5] / soft[1, 4, 4] == pytest.approx(np.exp(-1 / (2 * 0.25)), rel=1e-4)
    assert blurred(np.ones((1, 9, 9), np.float32), 3).max() <= 1
    assert np.array_equal(blurred(x, 0), x)


def test_the_deviation_over_pictures_is_told() -> None:
    metric = METRICS["stability-blur"]
    summary = metric.summarise([Reading(1.0), Reading(3.0)], [], metric.params(), 0)
    assert summary.value == 2
    assert summary.numbers["standard deviation"] == pytest.approx(2**0.5)


def test_sensitivity_by_hand(tiny: Classifier) -> None:
    """‖(3, 4)‖ = 5; changes of 1, 2.5 and 0.5."""
    own = np.array([[3.0, 4.0]])
    others = [np.array(values) for values in ([[4.0, 4.0]], [[4.5, 6.0]], [[2.7, 3.6]])]
    reading, ask = told(tiny, "sensitivity-max", own, *others, samples=3)
    assert reading.value == pytest.approx(0.5)
    assert reading.numbers == {"mean change": pytest.approx((0.2 + 0.5 + 0.1) / 3)}
    pictures = [picture for picture, _, _, _ in ask.asked]
    assert np.abs(np.array(pictures[1:]) - pictures[0]).max() <= 0.02 + 1e-7
    assert told(tiny, "sensitivity-max", np.zeros((2, 2)), A)[0].value is None


def test_what_is_drawn_depends_on_seed_and_case_alone() -> None:
    case, other = (Case(name, np.zeros((1, 4, 4), np.float32)) for name in ("a", "b"))
    params = SensitivityParams(samples=2)
    first = np.array(draw(case, 0, params))
    assert np.array_equal(first, draw(case, 0, params))
    assert not np.array_equal(first, draw(other, 0, params))
    assert not np.array_equal(first, draw(case, 1, params))
    assert not np.array_equal(first[0], first[1])
    assert 0 <= first.min() <= first.max() <= 0.02


def test_a_larger_ball_changes_more(tiny: Classifier, rng: torch.Generator) -> None:
    case = Case("a", torch.rand(3, 16, 16, generator=rng).numpy())
    metric = METRICS["sensitivity-max"]
    with lend(tiny):
        still, little, more = (
            next(metric.measure(Subject(tiny, asking(tiny, "gradcam")), [case], metric.params(radius=radius)))
            for radius in (0, 0.01, 0.2)
        )
    assert still.value == 0
    assert little.value is not None
    assert more.value is not None
    assert 0 < little.value < more.value
