"""APE's terms and the hit rate, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explain_core.api import asking
from explain_core.data.annotation import Annotation, Box, Region
from explain_core.data.window import Window
from explain_core.engine.lending import lend
from explain_core.metrics import METRICS
from explain_core.metrics.base import Case, Reading, Subject
from explain_core.metrics.hit_rate import read
from explain_core.models.classifier import Classifier
from tests.metrics.telling import Telling, answer


def changed(model: Classifier, name: str, pixels: Any, **knobs: Any) -> Reading:
    """Of a 4 × 4 picture in three channels of which those (channel, y, x) were changed."""
    x = np.full((3, 4, 4), 0.5)
    perturbed = x.copy()
    for channel, row, column in pixels:
        perturbed[channel, row, column] = 0.7
    told = answer(np.zeros((4, 4)), x=x, perturbed=perturbed, before=(0.9, 0.1), after=(0.3, 0.7))
    metric = METRICS[name]
    case = Case("a", np.zeros((3, 4, 4), np.float32), 0)
    (reading,) = metric.measure(Subject(model, Telling(told)), [case], metric.params.build(knobs))
    return reading


SQUARE = [(0, 1, 1), (1, 1, 2), (2, 2, 1), (0, 2, 2), (1, 2, 2)]
"""Four pixels in the middle, one of them in two channels: outline 8."""


def test_the_terms_of_ape_d(tiny: Classifier) -> None:
    reading = changed(tiny, "ape-d", SQUARE)
    assert reading.numbers == {"l0": 4 / 16, "tv": 8 / 16, "class": pytest.approx(0.3)}
    assert reading.value == pytest.approx(0.25 + 0.5 + 0.3)
    weighted = changed(tiny, "ape-d", SQUARE, sparsity=2, smoothness=0.1, class_weight=10)
    assert weighted.value == pytest.approx(0.5 + 0.05 + 3)
    assert weighted.numbers == reading.numbers


def test_the_terms_of_ape_s(tiny: Classifier) -> None:
    reading = changed(tiny, "ape-s", SQUARE)
    assert reading.numbers == {"l0": 12 / 16, "tv": 8 / 16, "class": pytest.approx(0.6)}
    assert reading.value == pytest.approx(0.75 + 0.5 + 0.6)


def test_pixels_on_the_edge_have_a_shorter_outline(tiny: Classifier) -> None:
    assert changed(tiny, "ape-d", [(0, 0, 0)]).numbers["tv"] == 2 / 16
    assert changed(tiny, "ape-d", []).value == pytest.approx(0.3)


def test_against_what_ape_says_of_itself(tiny: Classifier) -> None:
    x = np.random.default_rng(0).random((3, 16, 16)).astype(np.float32)
    ask = asking(tiny, "ape", knobs={"steps": 20})
    with lend(tiny):
        (reading,) = METRICS["ape-d"].measure(Subject(tiny, ask, "ape"), [Case("a", x, 2)], METRICS["ape-d"].params())
    (own,) = ask([x], [2])
    assert reading.value == pytest.approx(own.numbers["ape_d"], rel=1e-5)
    assert reading.numbers["l0"] > 0


def test_a_method_without_a_changed_picture_or_a_mask(tiny: Classifier) -> None:
    marked = Annotation((16, 16), (Region("mass", Box(0, 0, 3, 3)),))
    case = Case("a", np.zeros((3, 16, 16), np.float32), 0, marked)
    for name in ("ape-d", "ape-s", "hit-rate"):
        with lend(tiny):
            (reading,) = METRICS[name].measure(Subject(tiny, asking(tiny, "gradcam")), [case], METRICS[name].params())
        assert reading.value is None
        assert "choose" in reading.note


def hits(mask: np.ndarray[Any, Any], *boxes: Box, size: tuple[int, int], window: Window | None = None) -> Reading:
    marked = Annotation(size, tuple(Region("mass", box) for box in boxes))
    case = Case("a", np.zeros((1, *mask.shape), np.float32), 1, marked, window)
    return read(case, answer(np.zeros(mask.shape), mask=mask))


def test_components_that_touch_a_lesion() -> None:
    """Three components, one of them joined by a corner; one touches the lesion with one pixel."""
    mask = np.zeros((10, 10), bool)
    mask[0, 0] = mask[1, 1] = mask[5, 5:8] = mask[9, 9] = True
    reading = hits(mask, Box(5, 7, 8, 8), size=(10, 10))
    assert reading.value == pytest.approx(1 / 3)
    assert reading.numbers == {"empty masks": 0, "components": 3}
    assert hits(mask, Box(0, 0, 9, 9), size=(10, 10)).value == 1
    assert hits(mask, Box(2, 2, 4, 4), size=(10, 10)).value == 0


def test_a_speck_of_a_large_film_is_not_lost() -> None:
    """One pixel of a 100 × 100 film under one of the mask's 10 × 10, and the pixel beside it is not."""
    mask = np.zeros((10, 10), bool)
    mask[3, 4] = True
    assert hits(mask, Box(39, 49, 39, 49), size=(100, 100)).value == 1
    assert hits(mask, Box(39, 50, 39, 50), size=(100, 100)).value == 0
    window = Window((100, 100), 50, 50, 50, 50)
    assert hits(mask, Box(65, 70, 65, 70), size=(100, 100), window=window).value == 1
    assert hits(mask, Box(39, 49, 39, 49), size=(100, 100), window=window).value == 0


def test_a_fine_mask_on_a_coarse_picture() -> None:
    """Each of the mask's components is seen, though four of its pixels make one of the picture's."""
    mask = np.zeros((10, 10), bool)
    mask[::2, ::2] = True
    reading = hits(mask, Box(0, 0, 0, 0), size=(5, 5))
    assert reading.numbers["components"] == 25
    assert reading.value == 1 / 25


def test_empty_masks_are_counted_apart() -> None:
    metric = METRICS["hit-rate"]
    found = [hits(np.zeros((4, 4), bool), Box(0, 0, 1, 1), size=(4, 4)), Reading(0.5, {"empty masks": 0.0})]
    summary = metric.summarise(found, [], metric.params(), 0)
    assert (summary.value, summary.n, summary.not_found) == (0.5, 1, 1)
    assert summary.numbers["empty masks"] == 1
