"""Sanity checks of maps that depend on the network, and of maps that do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from explain_core.api import asking
from explain_core.engine.lending import lend
from explain_core.metrics import METRICS
from explain_core.metrics.base import Ask, Case, Reading, Subject
from explain_core.metrics.sanity import Likeness, read, stages_of
from explain_core.models.classifier import Classifier
from tests.metrics.telling import Telling, answer

A, B = np.array([[0, 1], [2, 4]], np.float32), np.array([[4, 2], [1, 0]], np.float32)
CASE = Case("a", np.random.default_rng(0).random((3, 16, 16)).astype(np.float32))


def checked(name: str, model: Classifier, ask: Ask, **knobs: object) -> Reading:
    with lend(model):
        (reading,) = METRICS[name].measure(Subject(model, ask), [CASE], METRICS[name].params.build(knobs))
    return reading


def test_by_hand(tiny: Classifier) -> None:
    """Three layers: the map stays, turns round, and is lost."""
    maps = map(answer, (A, A, B, np.zeros((2, 2))))
    reading = checked("sanity-cascade", tiny, Telling(*maps))
    assert reading.value == pytest.approx((1 + 1 + 0) / 3)
    assert reading.curves["layer from the output"] == (1, 2, 3)
    assert reading.curves["spearman"] == pytest.approx((1, -1, 0))
    assert reading.curves["ssim"][0] == pytest.approx(1)
    assert reading.numbers["constant"] == pytest.approx(1 / 3)
    assert {name: reading.numbers[name] for name in ("1 head", "2 second", "3 first")} == {
        "1 head": pytest.approx(1),
        "2 second": pytest.approx(1),
        "3 first": 0,
    }


def test_signs_are_seen_and_sizes_compared_too() -> None:
    likeness = Likeness.of(-A, A)
    assert likeness.rank == pytest.approx(-1)
    assert likeness.size == pytest.approx(1)


def test_a_constant_map_of_the_trained_network_has_no_value() -> None:
    reading = read([["head"]], [Likeness(None, None, 1.0)], np.zeros((2, 2), np.float32), 0.5)
    assert reading.value is None
    assert reading.note


@pytest.mark.parametrize("name", ["sanity-cascade", "sanity-independent"])
def test_a_map_of_the_network_changes(tiny: Classifier, name: str) -> None:
    reading = checked(name, tiny, asking(tiny, "gradcam"))
    assert reading.value is not None
    assert 0 < reading.value < 0.99


def test_cascade_adds_and_independent_does_not(tiny: Classifier) -> None:
    """The last layer's stage is the same; of the cascade's end nothing trained is left."""
    ask = asking(tiny, "gradcam")
    cascade, independent = (checked(name, tiny, ask) for name in ("sanity-cascade", "sanity-independent"))
    assert cascade.curves["spearman"][0] == independent.curves["spearman"][0]
    assert cascade.curves["spearman"][1] != independent.curves["spearman"][1]


def test_stages_gather_layers(tiny: Classifier) -> None:
    assert stages_of(tiny, CASE, None) == [["head"], ["second"], ["first"]]
    assert stages_of(tiny, CASE, 2) == [["head", "second"], ["first"]]
    assert stages_of(tiny, CASE, 1000) == stages_of(tiny, CASE, None)
    reading = checked("sanity-cascade", tiny, asking(tiny, "gradcam"), stages=1)
    assert "1 head to first" in reading.numbers


def test_the_class_is_kept_unless_it_shall_follow(tiny: Classifier) -> None:
    kept, followed = Telling(answer(A)), Telling(answer(A))
    checked("sanity-cascade", tiny, kept)
    checked("sanity-cascade", tiny, followed, follow=True)
    target = int(tiny(torch.from_numpy(CASE.pixels)[None]).argmax())
    assert [asked[1] for asked in kept.asked] == [target] * 4
    assert {asked[1] for asked in followed.asked} != {target}
