"""Boxes of maps made by hand, and the choice of thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explain_core.data.annotation import Annotation, Box, Region
from explain_core.data.window import Window
from explain_core.metrics import METRICS
from explain_core.metrics.base import Case, Reading, Subject
from explain_core.metrics.localisation import (
    PRESETS,
    Map,
    box_round,
    by_energy,
    by_mean,
    by_share,
    by_value,
    edges_of,
    grid,
    in_picture,
    overlap,
)
from explain_core.models.classifier import Classifier
from tests.metrics.telling import Telling, answer

LOCALISATION = METRICS["localisation"]


def blocks(*boxes: tuple[Box, float], size: tuple[int, int] = (20, 20)) -> np.ndarray[Any, Any]:
    saliency = np.zeros(size, dtype=np.float32)
    for box, value in boxes:
        saliency[int(box.top) : int(box.bottom) + 1, int(box.left) : int(box.right) + 1] = value
    return saliency


BIG, SMALL = Box(2, 3, 9, 12), Box(15, 16, 17, 18)
TWO = blocks((BIG, 0.6), (SMALL, 1.0))


def test_thresholds_by_hand() -> None:
    """4 3 / 2 1: mean 2.5, sum 10."""
    found = Map(np.array([[4.0, 3.0], [2.0, 1.0]]))
    assert by_mean(found, 1).tolist() == [[True, True], [False, False]]
    assert by_mean(found, 0.8).tolist() == [[True, True], [True, False]]  # at the threshold is kept
    assert by_value(found, 0.5).tolist() == [[True, True], [False, False]]  # from 1 + 1.5 on
    assert by_value(found, 0).all()
    assert by_energy(found, 0.75).tolist() == [[True, True], [False, False]]  # 4, 7 < 7.5
    assert by_energy(found, 0.7).tolist() == [[True, False], [False, False]]  # 7 is not below 7
    assert not by_energy(found, 0).any()
    assert by_share(found, 0.75).tolist() == [[True, True], [True, False]]
    assert by_share(found, 1).all()


def test_the_grids_are_the_papers() -> None:
    ends = {
        name: {kind: (k.alphas[0], k.alphas[-1], len(k.alphas)) for kind, k in preset.kinds.items()}
        for name, preset in PRESETS.items()
    }
    assert ends == {
        "fv-2017": {"value": (0, 0.95, 20), "energy": (0, 0.95, 20), "mean": (0, 10, 21)},
        "pb-2022": {"value": (0.05, 1, 20), "per cent": (0.05, 1, 20), "mean": (0.05, 10.5, 210)},
    }
    assert grid(0, 1, 0.5) == (0, 0.5, 1)


def test_boxes_by_hand() -> None:
    kept = TWO > 0
    assert box_round(kept, largest=True) == BIG
    assert box_round(kept, largest=False) == Box(2, 3, 17, 18)
    assert box_round(np.zeros((20, 20), bool), largest=True) == Box(0, 0, 19, 19)
    diagonal = np.eye(5, dtype=bool)
    assert box_round(diagonal, largest=True) == Box(0, 0, 4, 4)  # corners touch


def test_overlap_counts_edge_pixels() -> None:
    """10 × 10 pixels shifted by 5: 50 shared of 150."""
    assert overlap(edges_of(Box(0, 0, 9, 9)), edges_of(Box(0, 5, 9, 14))) == pytest.approx(1 / 3)
    assert overlap(edges_of(BIG), edges_of(BIG)) == 1
    assert overlap(edges_of(BIG), edges_of(SMALL)) == 0


def test_a_box_returns_to_its_picture() -> None:
    """Seen at half size from (10, 20) on: map pixel 2 covers picture pixels 14 and 15."""
    window = Window((100, 100), 10, 20, 40, 60)
    assert in_picture(Box(2, 3, 4, 5), (20, 30), window) == edges_of(Box(14, 26, 19, 31))


def located(model: Classifier, saliency: np.ndarray[Any, Any], *regions: Region, **knobs: Any) -> Reading:
    case = Case("a", np.zeros((3, *saliency.shape), np.float32), 0, Annotation((20, 20), regions))
    params = LOCALISATION.params.build(knobs)
    (reading,) = LOCALISATION.measure(Subject(model, Telling(answer(saliency))), [case], params)
    return reading


@pytest.mark.parametrize(("preset", "low", "high"), [("pb-2022", 1.0, 0.0), ("fv-2017", 80 / 256, 0.0)])
def test_a_reading_holds_every_threshold(tiny: Classifier, preset: str, low: float, high: float) -> None:
    """Up to 0.6 both blocks are kept, and PB's largest is the object; above only the small one is."""
    reading = located(tiny, TWO, Region("cat", BIG), preset=preset)
    iou = dict(zip(PRESETS[preset].kinds["value"].alphas, reading.curves["value"], strict=True))
    assert iou[0.5] == pytest.approx(low)
    assert iou[0.7] == pytest.approx(high)
    assert reading.value is None
    assert reading.note
    other = located(tiny, TWO, Region("cat", BIG), Region("cat", SMALL), preset=preset)
    assert dict(zip(iou, other.curves["value"], strict=True))[0.7] == 1


def test_maps_are_scaled_before_the_blur_and_thresholds_follow_it(tiny: Classifier) -> None:
    """A map and ten times the map plus three are the same map for pb-2022; the blur widens boxes."""
    plain, moved = (located(tiny, saliency, Region("cat", BIG), blur=2) for saliency in (TWO, 10 * TWO + 3))
    assert moved.curves == {name: pytest.approx(curve, abs=0.05) for name, curve in plain.curves.items()}
    assert plain.curves != located(tiny, TWO, Region("cat", BIG)).curves


def reading(value: list[float], share: list[float], mean: list[float]) -> Reading:
    padded = {name: tuple(iou + [0.0] * (n - len(iou))) for name, iou, n in
              (("value", value, 20), ("per cent", share, 20), ("mean", mean, 210))}  # fmt: skip
    return Reading(None, {"best IoU": max(value + share + mean)}, padded, note="later")


def test_thresholds_are_chosen_on_the_tuning_readings() -> None:
    """Tuning says value at its second α; the test readings alone would have said per cent."""
    tuning = [reading([0, 0.9], [0.6, 0], [0]), reading([0, 0.8], [0, 0], [0])]
    test = [reading([0.9, 0.5], [0.9], [0]), reading([0.9, 0.4], [0.9], [0]), reading([0, 0.7], [0.9], [0])]
    summary = LOCALISATION.summarise(test, tuning, LOCALISATION.params(), 0)
    assert summary.value == pytest.approx(1 / 3)  # 0.5 is enough
    assert summary.numbers["α value"] == 0.1
    assert {name: summary.numbers[name] for name in ("value", "per cent", "mean", "best")} == {
        "value": pytest.approx(1 / 3),
        "per cent": 0,
        "mean": 1,
        "best": 0,
    }
    assert list(summary.curves) == ["α value", "value", "per cent", "α mean", "mean"]
    assert summary.curves["value"][:3] == pytest.approx([1 / 3, 1 / 3, 1])
    alone = LOCALISATION.summarise(test, [], LOCALISATION.params(), 0)
    assert alone.value == 0
