"""The order of a campaign's candidates: every strategy by hand, and what each must do."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from explain_core.campaign.strategies import SCORES, STRATEGIES, Array, Scores, information, order
from explain_core.errors import InputError, ParamError

COUNT = 40


def scores(count: int = COUNT, seed: int = 0, classes: int = 4) -> dict[str, Array]:
    """Every score of `count` candidates."""
    rng = np.random.default_rng(seed)
    return {
        "probabilities": rng.dirichlet(np.ones(classes), count),
        "rho": rng.random(count),
        "samples": rng.dirichlet(np.ones(classes), (5, count)),
        "embeddings": rng.normal(size=(count, 3)),
        "classes": rng.integers(classes, size=count),
    }


def indices(strategy: str, known: Scores, n: int, *, candidates: int, share: float = 0.0, seed: int = 0) -> list[int]:
    return [each.index for each in order(strategy, known, n, candidates=candidates, share_random=share, seed=seed)]


def constant(count: int) -> dict[str, Array]:
    """Scores in which all candidates are alike."""
    return {
        "probabilities": np.full((count, 4), 0.25),
        "rho": np.full(count, 0.1),
        "samples": np.full((5, count, 4), 0.25),
        "embeddings": np.ones((count, 3)),
        "classes": np.zeros(count, int),
    }


PROBABILITIES = np.array([[0.50, 0.50, 0.00], [0.90, 0.05, 0.05], [0.40, 0.30, 0.30], [0.60, 0.40, 0.00]])


@pytest.mark.parametrize(
    ("strategy", "known", "expected"),
    [
        ("margin", {"probabilities": PROBABILITIES}, [0, 2, 3, 1]),  # 0, .1, .2, .85
        ("entropy", {"probabilities": PROBABILITIES}, [2, 0, 3, 1]),  # 1.089, .693, .673, .394
        ("smallest-rho", {"rho": np.array([0.3, np.nan, 0.1, np.inf, 0.1, 0.2])}, [2, 4, 5, 0, 1, 3]),
        ("bald", {"samples": [[[1, 0], [0.5, 0.5], [0.8, 0.2]], [[0, 1], [0.5, 0.5], [0.4, 0.6]]]}, [0, 2, 1]),
    ],
)
def test_the_order_by_hand(strategy: str, known: Scores, expected: list[int]) -> None:
    count = len(expected)
    assert indices(strategy, known, count, candidates=count) == expected
    assert indices(strategy, known, 2, candidates=count) == expected[:2]


def test_mutual_information_by_hand() -> None:
    """Sure and opposed: ln 2. Unsure and alike: 0. (.8, .2) and (.4, .6): H(.6) − (H(.2) + H(.4)) / 2."""
    samples = np.array([[[1, 0], [0.5, 0.5], [0.8, 0.2]], [[0, 1], [0.5, 0.5], [0.4, 0.6]]])

    def binary(p: float) -> float:
        return -p * math.log(p) - (1 - p) * math.log(1 - p)

    expected = [math.log(2), 0, binary(0.6) - (binary(0.2) + binary(0.4)) / 2]
    assert information(samples) == pytest.approx(expected, abs=1e-12)


def test_round_robin_takes_one_of_each_class_in_turn() -> None:
    classes = np.array([2, 0, 0, 0, 1, 0, 2])
    found = indices("round-robin", {"classes": classes}, 7, candidates=7)
    assert classes[found].tolist() == [0, 1, 2, 0, 2, 0, 0]
    orders = {tuple(indices("round-robin", {"classes": classes}, 1, candidates=7, seed=seed)) for seed in range(40)}
    assert orders == {(1,), (2,), (3,), (5,)}  # within a class the seed decides


def test_round_robin_counts_the_random_ones() -> None:
    classes = np.repeat([0, 1, 2], [80, 10, 10])
    found = indices("round-robin", {"classes": classes}, 24, candidates=100, share=0.25)
    assert Counter(classes[found].tolist()) == {0: 8, 1: 8, 2: 8}


def farthest_first(points: Array, centres: Sequence[int], n: int) -> list[int]:
    """Each step looks at every distance to every centre."""
    centres = list(centres)
    for _ in range(n):
        free = [i for i in range(len(points)) if i not in centres]
        centres.append(max(free, key=lambda i: min(math.dist(points[i], points[c]) for c in centres)))
    return centres


@pytest.mark.parametrize("seed", range(5))
def test_k_centre_is_greedy(seed: int) -> None:
    points = np.random.default_rng(seed).normal(5, 1, (25, 4))
    known = {"embeddings": points}
    found = indices("k-centre", known, 25, candidates=25, seed=seed)
    assert found == farthest_first(points, found[:1], 24)
    mixed = order("k-centre", known, 15, candidates=25, share_random=0.2, seed=seed)
    drawn = [each.index for each in mixed if each.random]
    assert [each.index for each in mixed if not each.random] == farthest_first(points, drawn, 12)[3:]


def test_k_centre_by_hand() -> None:
    points = np.array([[0.0], [1.0], [10.0], [4.0], [0.0]])
    after = {0: [2, 3, 1, 4], 1: [2, 3, 0, 4], 2: [0, 3, 1, 4], 3: [2, 0, 1, 4], 4: [2, 3, 1, 0]}
    firsts = set()
    for seed in range(30):
        first, *rest = indices("k-centre", {"embeddings": points}, 5, candidates=5, seed=seed)
        assert rest == after[first]
        firsts.add(first)
    assert len(firsts) == 5  # the seed draws the first


@pytest.mark.parametrize("strategy", STRATEGIES)
class TestEveryRow:
    def test_says_what_it_is(self, strategy: str) -> None:
        row = STRATEGIES[strategy]
        assert row.name == strategy
        assert row.title
        assert row.citation
        assert set(row.needs) <= set(SCORES)

    @pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
    def test_all_candidates_once(self, strategy: str, share: float) -> None:
        assert sorted(indices(strategy, scores(), COUNT, candidates=COUNT, share=share)) == list(range(COUNT))

    @pytest.mark.parametrize(("n", "share", "draws"), [(0, 0.2, 0), (1, 0.2, 1), (30, 0.1, 3), (31, 0.1, 4), (9, 1, 9)])
    def test_no_doubles_and_at_least_the_share(self, strategy: str, n: int, share: float, draws: int) -> None:
        found = order(strategy, scores(), n, candidates=COUNT, share_random=share)
        assert len({each.index for each in found}) == len(found) == n
        assert sum(each.random for each in found) == (n if STRATEGIES[strategy].uniform else draws)

    def test_seeded(self, strategy: str) -> None:
        first, again, other = (order(strategy, scores(), 20, candidates=COUNT, seed=seed) for seed in (3, 3, 4))
        assert first == again
        assert first != other

    def test_a_smaller_order_of_scores_begins_a_larger(self, strategy: str) -> None:
        if not STRATEGIES[strategy].uniform:
            many = indices(strategy, scores(), 30, candidates=COUNT)
            assert indices(strategy, scores(), 10, candidates=COUNT) == many[:10]

    def test_equal_candidates_keep_their_order(self, strategy: str) -> None:
        found = indices(strategy, constant(COUNT), COUNT, candidates=COUNT)
        assert sorted(found) == list(range(COUNT))
        if strategy in ("margin", "entropy", "smallest-rho", "bald"):
            assert found == list(range(COUNT))
        if strategy == "k-centre":  # after the first, which is drawn
            assert found[1:] == sorted(found[1:])

    def test_the_random_ones_know_nothing_of_the_strategy(self, strategy: str) -> None:
        """One seed, one draw, in the same places: what a strategy chooses comes after it, and from the rest."""
        runs = [order(name, scores(seed=seed), 20, candidates=COUNT) for name, seed in [(strategy, 0), (strategy, 1)]]
        expected = order("smallest-rho", scores(), 20, candidates=COUNT)
        drawn = [[(place, each.index) for place, each in enumerate(run) if each.random] for run in (*runs, expected)]
        assert drawn[0] == drawn[1]
        if STRATEGIES[strategy].uniform:
            assert [each.index for each in runs[0]][:4] == [index for _, index in drawn[2]]
        else:
            assert drawn[0] == drawn[2]

    def test_a_missing_score_is_named(self, strategy: str) -> None:
        for name in STRATEGIES[strategy].needs:
            with pytest.raises(InputError, match=f"'{strategy}' needs the score '{name}'.*{SCORES[name].remedy[:20]}"):
                order(strategy, {"other": np.zeros(3)}, 1, candidates=COUNT)

    def test_scores_of_other_candidates(self, strategy: str) -> None:
        for name in STRATEGIES[strategy].needs:
            with pytest.raises(InputError, match=f"'{name}' of shape .* 41 items"):
                order(strategy, scores(), 1, candidates=COUNT + 1)

    def test_half_precision_will_do(self, strategy: str) -> None:
        half = {
            name: values.astype(np.float16) if values.dtype.kind == "f" else values.astype(np.int8)
            for name, values in scores().items()
        }
        assert len(set(indices(strategy, half, 30, candidates=COUNT))) == 30

    def test_scores_stay_as_they_were(self, strategy: str) -> None:
        known = scores()
        for values in known.values():
            values.flags.writeable = False
        order(strategy, known, 10, candidates=COUNT)

    def test_nobody_to_choose_from(self, strategy: str) -> None:
        assert order(strategy, scores(0), 0, candidates=0) == ()


def test_the_random_share_is_uniform() -> None:
    """Over 2,000 seeds each candidate is drawn as often as any other, at any place in the order."""
    known = {"rho": np.arange(20.0)}
    runs = [order("smallest-rho", known, 10, candidates=20, share_random=0.4, seed=seed) for seed in range(2000)]
    drawn = Counter(each.index for run in runs for each in run if each.random)
    assert sum(drawn.values()) == 2000 * 4
    assert chisquare([drawn[i] for i in range(20)]).pvalue > 0.01
    places = Counter(place for run in runs for place, each in enumerate(run) if each.random)
    assert chisquare([places[i] for i in range(10)]).pvalue > 0.01


def test_an_estimate_from_the_random_share_is_unbiased() -> None:
    """The strategy asks about the first third only; the random ones still tell the mean of all."""
    known = {"rho": np.arange(60.0)}
    runs = [order("smallest-rho", known, 20, candidates=60, seed=seed) for seed in range(1000)]
    means = [np.mean([each.index for each in run if each.random]) for run in runs]
    assert np.mean(means) == pytest.approx(29.5, abs=4 * np.std(means) / 1000**0.5)
    assert np.mean([each.index for run in runs for each in run]) < 15


@given(
    strategy=st.sampled_from(list(STRATEGIES)),
    count=st.integers(1, 12),
    data=st.data(),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_always_n_different_candidates(strategy: str, count: int, data: st.DataObject, share: float, seed: int) -> None:
    n = data.draw(st.integers(0, count))
    found = order(strategy, scores(count), n, candidates=count, share_random=share, seed=seed)
    assert len({each.index for each in found}) == n
    assert all(0 <= each.index < count for each in found)
    assert sum(each.random for each in found) >= share * n - 1e-6


@pytest.mark.parametrize(
    ("strategy", "wrong", "message"),
    [
        ("margin", {"probabilities": np.ones((3, 1))}, "two classes"),
        ("margin", {"probabilities": np.ones((3, 2))}, "sum to 1"),
        ("entropy", {"probabilities": np.array([[1.5, -0.5]] * 3)}, "not negative"),
        ("entropy", {"probabilities": np.full((3, 2), np.nan)}, "sum to 1"),
        ("bald", {"samples": np.ones((0, 3, 2))}, "a sample or more"),
        ("bald", {"samples": np.full((3, 2), 0.5)}, "samples, items, classes"),
        ("smallest-rho", {"rho": np.array([0.1, -0.1, 0.2])}, "not negative"),
        ("smallest-rho", {"rho": np.array(["a", "b", "c"])}, "must be numbers"),
        ("k-centre", {"embeddings": np.full((3, 2), np.inf)}, "finite"),
        ("round-robin", {"classes": np.array([0.0, 1.0, 2.0])}, "whole numbers"),
        ("margn", {}, "did you mean 'margin'"),
    ],
)
def test_wrong_scores(strategy: str, wrong: Scores, message: str) -> None:
    with pytest.raises(InputError, match=message):
        order(strategy, wrong, 1, candidates=3)


def test_more_than_there_are() -> None:
    for n in (-1, 6):
        with pytest.raises(InputError, match="ask for 0 to 5"):
            order("random", {}, n, candidates=5)
    for share in (-0.1, 1.1, math.nan):
        with pytest.raises(ParamError, match="share_random"):
            order("random", {}, 1, candidates=5, share_random=share)
