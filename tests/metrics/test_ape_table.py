"""APE's Table 1: the threshold of least APE_D on a mask whose best cut is known, and its terms by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explain_core.data.annotation import Annotation, Box, Region
from explain_core.methods.meaningful_perturbation import MeaningfulPerturbationParams
from explain_core.metrics import METRICS
from explain_core.metrics.base import Case, Subject
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.params import Params
from explain_core.records import Answer, Floats, Provenance

METRIC, SIDE = METRICS["ape-table"], 16


class Corner(nn.Module):
    """Sees the mean of the upper left quarter only; sure where it is bright."""

    def forward(self, x: Tensor) -> Tensor:
        seen = x[:, 0, : SIDE // 2, : SIDE // 2].mean(dim=(1, 2))
        return torch.stack([40 * seen - 20, torch.zeros_like(seen)], dim=1)


def fading() -> Floats:
    """Saliency 0.7 in the quarter, 0.4 in the rest of the upper half, 0.1 below."""
    saliency = np.full((SIDE, SIDE), 0.1, dtype=np.float32)
    saliency[: SIDE // 2] = 0.4
    saliency[: SIDE // 2, : SIDE // 2] = 0.7
    return saliency


class Told:
    """Answers every question with this map, as meaningful perturbation with these knobs would."""

    def __init__(self, saliency: Floats, knobs: Params) -> None:
        self.saliency, self.knobs = saliency, knobs

    def __call__(
        self,
        pixels: Sequence[Floats],
        targets: Sequence[int],
        *,
        method: str | None = None,
        knobs: Mapping[str, Any] | None = None,
        model: Classifier | None = None,
    ) -> list[Answer]:
        return [self.answer(picture, target) for picture, target in zip(pixels, targets, strict=True)]

    def answer(self, picture: Floats, target: int) -> Answer:
        origin = Provenance(
            "meaningful-perturbation", 1, self.knobs.as_dict(), "", "", "", target, "", None, 0, 1.0, 0.0, "cpu"
        )  # fmt: skip
        mask, beliefs = self.saliency >= 0.5, np.array([0.2, 0.8], dtype=np.float32)
        return Answer(picture, self.saliency, beliefs, "", origin, picture, beliefs, mask)


@pytest.fixture
def corner() -> Classifier:
    return Classifier(Corner(), classes=("bright", "dark"), kind="softmax", input=InputSpec(1)).eval()


def cases(count: int) -> list[Case]:
    """Bright pictures with one black pixel, so that the reference is black; the lesion lies in the quarter."""
    pixels = np.ones((1, SIDE, SIDE), dtype=np.float32)
    pixels[0, -1, -1] = 0
    marked = Annotation((SIDE, SIDE), (Region("bright", Box(2, 2, 4, 4)),))
    return [Case(f"case {index}", pixels, 0, marked) for index in range(count)]


def subject(model: Classifier, knobs: Mapping[str, Any]) -> Subject:
    return Subject(model, Told(fading(), MeaningfulPerturbationParams.build({"reference": "min", **knobs})), "told")


def test_the_cut_that_hides_the_quarter_is_chosen(corner: Classifier) -> None:
    assert METRIC.fit is not None
    about = subject(corner, {})
    fitted = METRIC.fit(about, cases(3), METRIC.params())
    assert 0.4 < fitted.as_dict()["threshold"] <= 0.7
    (reading,) = METRIC.measure(about, cases(1), fitted)
    # a quarter of the pixels; its outline has 8 + 8 edges inside the picture; the class: logit −20
    assert reading.numbers["l0"] == pytest.approx(0.25)
    assert reading.numbers["tv"] == pytest.approx(16 / SIDE**2)
    assert reading.numbers["class"] == pytest.approx(1 / (1 + np.exp(20)), rel=1e-3)
    assert reading.value == pytest.approx(0.25 + 16 / SIDE**2, abs=1e-6)
    assert reading.numbers["hit rate"] == 1


def test_weights_decide_the_cut(corner: Classifier) -> None:
    """Where area costs nothing but outline does, hiding everything is best."""
    assert METRIC.fit is not None
    params = METRIC.params.build({"sparsity": 0.0, "smoothness": 100.0})
    assert METRIC.fit(subject(corner, {}), cases(2), params).as_dict()["threshold"] == pytest.approx(0.1)


def test_without_a_threshold_nothing_is_told(corner: Classifier) -> None:
    (reading,) = METRIC.measure(subject(corner, {}), cases(1), METRIC.params())
    assert reading.value is None
    assert "threshold" in reading.note


def test_a_mask_that_is_fixed_is_measured_as_it_is(corner: Classifier) -> None:
    assert METRIC.fit is not None
    about = subject(corner, {"threshold": 0.5})
    assert METRIC.fit(about, cases(2), METRIC.params()) == METRIC.params()
    (reading,) = METRIC.measure(about, cases(1), METRIC.params())
    assert reading.value == pytest.approx(0.25 + 16 / SIDE**2 + 0.2)


def test_the_summary_tells_the_threshold_and_empty_masks(corner: Classifier) -> None:
    params = METRIC.params.build({"threshold": 0.95})
    readings = list(METRIC.measure(subject(corner, {}), cases(2), params))
    summary = METRIC.summarise(readings, [], params, 0)
    assert summary.numbers["threshold"] == 0.95
    assert summary.numbers["empty masks"] == 2
    assert "hit rate" not in summary.numbers
    assert summary.value == pytest.approx(1.0)  # nothing hidden: the class is left
