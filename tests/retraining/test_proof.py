"""The proof's statistics on figures that are known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from explain_core.metrics.ara import area
from explain_core.retraining.proof import BEFORE, DETECTABLE, Difference, Proof, Readings, prove, sentence

IMAGES, SEEDS, NAIVE = 120, 3, 0.1
Values = NDArray[np.float64]


def readings(sizes: Values) -> Readings:
    return {"accuracy": (sizes > 0).astype(float), "attack-ara": sizes, "btr-ara": 2 * sizes}


def arms(more: float) -> dict[str, Readings]:
    """The labelled arm withstands `more` than the others."""
    draw = np.random.default_rng(1)
    sizes = draw.gamma(2.0, 0.01, (SEEDS, IMAGES))
    return {
        BEFORE: readings(sizes[:1]),
        "labelled": readings(sizes + more),
        "regardless": readings(sizes),
        "small": readings(sizes[:, ::-1].copy()),
    }


def one(proof: Proof, against: str, metric: str) -> Difference:
    return next(found for found in proof.differences if (found.against, found.metric) == (against, metric))


def test_alike_is_no_difference() -> None:
    found = one(prove(arms(0), "labelled", NAIVE, 5), "regardless", "attack-ara")
    assert (found.value, found.low, found.high, found.detectable, found.shown) == (0, 0, 0, 0, False)


def test_a_shift_of_all_sizes_is_found_exactly_and_surely() -> None:
    """∫ (accuracy − naive) grows by the shift times 1 − naive: the curve's top is that much longer."""
    proof = prove(arms(0.004), "labelled", NAIVE, 5)
    found = one(proof, "regardless", "attack-ara")
    assert found.value == pytest.approx(0.004 * (1 - NAIVE))
    assert found.low == pytest.approx(found.value)  # paired: the same pictures, so nothing is left to chance
    assert one(proof, "regardless", "btr-ara").value == pytest.approx(0.008 * (1 - NAIVE))
    assert one(proof, "regardless", "accuracy").value == 0
    assert found.shown


def test_what_is_not_paired_by_picture_is_unsure() -> None:
    found = one(prove(arms(0.0005), "labelled", NAIVE, 5), "small", "attack-ara")
    assert found.low < 0 < found.high
    assert not found.shown
    assert found.detectable > found.value


def test_figures_are_those_of_the_metric() -> None:
    given = arms(0.001)
    proof = prove(given, "labelled", NAIVE, 5)
    for figure in proof.figures:
        if figure.metric != "accuracy":
            expected = [float(area(sizes, NAIVE)) for sizes in given[figure.arm][figure.metric]]
            assert figure.networks == pytest.approx(expected)
            assert figure.value == pytest.approx(np.mean(expected))
        assert figure.low <= figure.value <= figure.high


def test_the_detectable_difference_by_hand() -> None:
    """Accuracy of two independent arms, one seed each: the variance of a difference of two proportions."""
    draw = np.random.default_rng(0)
    first, second = (draw.random((1, 400)) < 0.5 for _ in range(2))
    given = {name: {"accuracy": right.astype(float), "attack-ara": right * 0.1, "btr-ara": right * 0.1}
             for name, right in ((BEFORE, second), ("labelled", first))}  # fmt: skip
    pairs = first[0].astype(float) - second[0]
    expected = DETECTABLE * pairs.std() / np.sqrt(400)
    assert one(prove(given, "labelled", 0.5, 5), BEFORE, "accuracy").detectable == pytest.approx(expected, rel=0.06)


def test_intervals_cover() -> None:
    """Of 60 experiments with a true difference, about 95 % of the intervals hold it; seeds vary too."""
    draw, held = np.random.default_rng(3), 0
    for number in range(60):
        seeds = draw.normal(0, 0.003, (2, 5, 1))
        shared = draw.gamma(2.0, 0.01, (1, IMAGES))
        given = {
            name: readings(np.maximum(shared + seeds[place] + draw.normal(0, 0.001, (5, IMAGES)) + more, 1e-6))
            for place, (name, more) in enumerate((("other", 0.0), ("labelled", 0.005)))
        }
        found = one(prove(given, "labelled", 0.0, 5, seed=number), "other", "attack-ara")
        held += found.low <= 0.005 <= found.high
    assert held >= 45  # five seeds make percentile intervals a little short


def test_the_sentence_says_what_was_and_was_not_found() -> None:
    text = sentence(prove(arms(0.004), "labelled", NAIVE, 412))
    assert "412 examples that people called unchanged" in text
    assert "that simulated raters called" in sentence(prove(arms(0.0), "labelled", NAIVE, 9, 0, "simulated raters"))
    assert "mean of 3 networks, 120 test pictures" in text
    assert "above the network before" in text
    assert "0.0072 above the control “regardless”" in text
    unsure = sentence(prove(arms(0.0), "labelled", NAIVE, 412), {"small": "Plain, small ρ"})
    assert "no different from the control “Plain, small ρ” as far as can be told" in unsure


def test_pictures_must_be_the_same() -> None:
    given = arms(0)
    with pytest.raises(ValueError, match="the same ones"):
        prove({**given, "small": readings(np.ones((SEEDS, 7)))}, "labelled", NAIVE, 5)
