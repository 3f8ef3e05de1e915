"""The pointing game on maps whose maximum was put by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explain_core.data.annotation import Annotation, Box, Region
from explain_core.data.window import Window
from explain_core.metrics import METRICS
from explain_core.metrics.base import Case, Reading, Subject
from explain_core.metrics.pointing import mean_over_classes
from explain_core.models.classifier import Classifier
from tests.metrics.telling import Telling, answer

POINTING = METRICS["pointing"]
PIXEL = Region("cat", Box(40, 30, 40, 30))


def peak(y: int, x: int, size: tuple[int, int] = (64, 64)) -> np.ndarray[Any, Any]:
    saliency = np.zeros(size)
    saliency[y, x] = 1
    return saliency


def pointed(
    model: Classifier,
    saliency: np.ndarray[Any, Any],
    *regions: Region,
    size: tuple[int, int] = (64, 64),
    window: Window | None = None,
    flags: tuple[str, ...] = (),
    **knobs: Any,
) -> Reading:
    case = Case("a", np.zeros((3, *saliency.shape), np.float32), 0, Annotation(size, regions), window, flags)
    subject = Subject(model, Telling(answer(saliency)))
    (reading,) = POINTING.measure(subject, [case], POINTING.params.build(knobs))
    return reading


@pytest.mark.parametrize(
    ("y", "x", "hit"),
    [(40, 30, 1), (40, 45, 0), (40, 44, 1), (55, 30, 0), (49, 42, 0), (49, 41, 1), (25, 30, 0), (26, 30, 1)],
)
def test_fifteen_pixels_are_a_miss_and_any_less_is_a_hit(tiny: Classifier, y: int, x: int, hit: int) -> None:
    """(49, 42) is 9, 12 away: 15 exactly; (49, 41) is 14.2 away."""
    assert pointed(tiny, peak(y, x), PIXEL).value == hit


def test_the_tolerance_is_strict(tiny: Classifier) -> None:
    assert pointed(tiny, peak(40, 45), PIXEL, tolerance=15.01).value == 1
    assert pointed(tiny, peak(40, 45), PIXEL, tolerance=14.99).value == 0
    assert pointed(tiny, peak(40, 45), PIXEL).numbers["distance"] == 15


def test_the_nearest_region_counts_and_the_first_maximum(tiny: Classifier) -> None:
    far = Region("cat", Box(0, 0, 1, 1))
    assert pointed(tiny, peak(10, 10), PIXEL, far).value == 1
    assert pointed(tiny, peak(10, 10) + peak(40, 30), PIXEL).value == 0  # (10, 10) comes first


def test_the_point_is_in_the_pictures_own_frame(tiny: Classifier) -> None:
    """The network saw the middle 128 × 128 of 128 × 256 at half size: (20, 30) is (40, 60 + 64)."""
    window = Window((128, 256), 0, 64, 128, 128)
    target = Region("cat", Box(41, 125, 41, 125))
    reading = pointed(tiny, peak(20, 30), target, size=(128, 256), window=window, tolerance=2)
    assert reading.value == 1
    assert abs(reading.numbers["y"] - 40.5) <= 1
    assert abs(reading.numbers["x"] - 124.5) <= 1


def test_outside_the_window_nothing_is_salient(tiny: Classifier) -> None:
    """Where every value seen is negative, the zero outside must not win."""
    window = Window((128, 256), 0, 64, 128, 128)
    reading = pointed(tiny, peak(20, 30) - 2, PIXEL, size=(128, 256), window=window)
    assert 64 <= reading.numbers["x"] < 192


def test_the_blur_prefers_many_to_one(tiny: Classifier) -> None:
    saliency = peak(5, 5)
    saliency[38:43, 28:33] = 0.5
    assert pointed(tiny, saliency, PIXEL).value == 0
    assert pointed(tiny, saliency, PIXEL, blur=3).value == 1


def test_difficult_objects(tiny: Classifier) -> None:
    """Left out where all are; where one is not, all regions count."""
    difficult = Region("cat", Box(0, 0, 1, 1), difficult=True)
    left_out = pointed(tiny, peak(0, 0), difficult)
    assert left_out.value is None
    assert "difficult" in left_out.note
    assert pointed(tiny, peak(0, 0), difficult, PIXEL).value == 1


def test_the_mean_is_over_classes(tiny: Classifier) -> None:
    """Cats 3 of 4, dogs 0 of 1: 0.375, not 0.6."""
    found = [Reading(value, {"hard": 0.0}, group="cat") for value in (1.0, 1.0, 1.0, 0.0)]
    found += [Reading(0.0, {"hard": 1.0}, group="dog"), Reading(None, group="cow", note="difficult")]
    summary = POINTING.summarise(found, [], POINTING.params(), 0)
    assert summary.value == mean_over_classes(found[:5]) == 0.375
    assert summary.numbers == {"classes": 2, "mean over pictures": 0.6, "difficult subset": 0, "difficult pairs": 1}
    assert (summary.n, summary.not_found) == (5, 1)
    assert summary.interval is not None
    assert summary.interval[0] <= 0.375 <= summary.interval[1]


def test_the_error_is_that_of_drawing_pairs_anew() -> None:
    """One class: √(p(1 − p)/n); two of many pairs each: half the root of the sum of both squares."""
    cats, dogs = (
        [Reading(float(i % 4 < k), {"hard": 0.0}, group=name) for i in range(400)]
        for k, name in ((2, "cat"), (1, "dog"))
    )
    one, both = (POINTING.summarise(found, [], POINTING.params(), 0).standard_error for found in (cats, cats + dogs))
    assert one == pytest.approx(np.sqrt(0.25 / 400), rel=0.1)
    assert both == pytest.approx(np.sqrt((0.25 + 0.1875) / 400) / 2, rel=0.1)


def test_a_flagged_case_is_in_the_difficult_subset(tiny: Classifier) -> None:
    readings = [pointed(tiny, peak(40, 30), PIXEL, flags=("hard",)), pointed(tiny, peak(0, 0), PIXEL)]
    numbers = POINTING.summarise(readings, [], POINTING.params(), 0).numbers
    assert (numbers["difficult subset"], numbers["difficult pairs"]) == (1, 1)
