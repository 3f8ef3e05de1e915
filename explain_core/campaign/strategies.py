"""Which candidates people see, and in which order: STRATEGIES turn scores into an order.

Whatever the strategy, a share of the items is drawn first, uniformly from all candidates and without looking at a
score: from them alone (`Chosen.random`) a campaign's figures can be estimated without the strategy's bias.  For one
seed they are the same whichever strategy follows.  Their places in the order are drawn too, so that a campaign
closed early is not without them.  To add a strategy: write its function, add its row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from explain_core.errors import InputError, ParamError, suggest
from explain_core.params import Range

SHARE_RANDOM = Range(0.0, 1.0, 0.05)
ROUNDING = 1e-3  # how far probabilities may be from a sum of 1: they may come as float16

Array = NDArray[Any]
Indices = NDArray[np.int64]
Scores = Mapping[str, Array]


@dataclass(frozen=True)
class Score:
    """An array that a strategy reads: its axes (one is `items`), what is wrong with given values, how to get them."""

    axes: tuple[str, ...]
    fault: Callable[[Array], str | None]
    remedy: str


@dataclass(frozen=True)
class Pool:
    """What a strategy chooses from: `free` candidates in ascending order, beside those `taken` already."""

    scores: Scores
    free: Indices
    taken: Indices
    rng: np.random.Generator

    def smallest(self, key: Array, n: int) -> Indices:
        """The n free candidates of smallest key (candidates,); equal ones in their own order."""
        return self.free[np.argsort(key[self.free], kind="stable")[:n]]


@dataclass(frozen=True)
class Strategy:
    """A row of STRATEGIES; `choose` gives n ≤ len(free) different indices of free candidates, in order."""

    name: str
    title: str
    needs: tuple[str, ...]
    choose: Callable[[Pool, int], Indices]
    citation: str
    uniform: bool = False
    """Every item it chooses is a uniform draw, and says so."""


@dataclass(frozen=True)
class Chosen:
    """A candidate's index, and whether it was drawn at random rather than chosen by the strategy."""

    index: int
    random: bool


def order(
    strategy: str, scores: Scores, n: int, *, candidates: int, share_random: float = 0.2, seed: int = 0
) -> tuple[Chosen, ...]:
    """The n candidates to ask about, in order, no one twice; at least `share_random` of them drawn at random.

    Scores are arrays by name, see SCORES, of which the strategy's own are checked.  Raises InputError for scores
    that are missing or wrong, for an unknown strategy and for n outside 0 to `candidates`; ParamError for the share.
    """
    row = get_strategy(strategy)
    checked = {name: _checked(row, name, scores, candidates) for name in row.needs}
    if not 0 <= n <= candidates:
        raise InputError(f"{n} of {candidates} candidates: ask for 0 to {candidates}.")
    fault = SHARE_RANDOM.fault(share_random)
    if fault:
        raise ParamError(f"share_random = {share_random!r}: {fault}.")
    draws = n if row.uniform else math.ceil(share_random * n - 1e-9)  # 0.1 · 30 is 3.0000000000000004
    drawing, choosing, mixing = np.random.default_rng(seed).spawn(3)
    drawn = drawing.permutation(candidates)[:draws]
    free = np.setdiff1d(np.arange(candidates), drawn)
    rest = row.choose(Pool(checked, free, drawn, choosing), n - draws)
    random = np.zeros(n, bool)
    random[mixing.permutation(n)[:draws]] = True
    indices = np.empty(n, np.int64)
    indices[random], indices[~random] = drawn, rest
    return tuple(map(Chosen, indices.tolist(), random.tolist()))


def get_strategy(name: str) -> Strategy:
    """The row of that name; raises InputError."""
    if name not in STRATEGIES:
        raise InputError(f"No strategy {name!r}: {suggest(name, STRATEGIES)}")
    return STRATEGIES[name]


def at_random(pool: Pool, n: int) -> Indices:
    """Uniformly, without repetition."""
    return pool.rng.permutation(pool.free)[:n]


def margin(pool: Pool, n: int) -> Indices:
    """Smallest difference of the two highest probabilities first."""
    second, first = np.moveaxis(np.partition(pool.scores["probabilities"], -2)[:, -2:], 1, 0)
    return pool.smallest(first - second, n)


def entropy(pool: Pool, n: int) -> Indices:
    """Largest −Σ p ln p first."""
    return pool.smallest(-entr(pool.scores["probabilities"]).sum(-1), n)


def smallest_rho(pool: Pool, n: int) -> Indices:
    """Smallest ρ at which the class changed first; those that never did (∞ or NaN) last."""
    rho = pool.scores["rho"]
    return pool.smallest(np.where(np.isnan(rho), np.inf, rho), n)


def information(samples: Array) -> Array:
    """Mutual information of the class and the network, in nats: H(mean p) − mean H(p); (samples, items, classes)."""
    gained: Array = entr(samples.mean(0)).sum(-1) - entr(samples).sum(-1).mean(0)
    return gained.clip(min=0)


def bald(pool: Pool, n: int) -> Indices:
    """Largest mutual information first: sure in each sample, and different between them."""
    return pool.smallest(-information(pool.scores["samples"]), n)


def k_centre(pool: Pool, n: int) -> Indices:
    """Greedily the candidate farthest (Euclidean) from all that are taken; the first of all is drawn by the seed.

    One distance a candidate is kept; n passes over the embeddings.
    """
    points = pool.scores["embeddings"]
    squares = np.einsum("ij,ij->i", points, points)
    nearest = np.full(len(points), np.inf)
    chosen: list[int] = []
    for centre in pool.taken:
        np.minimum(nearest, _distances(points, squares, centre), out=nearest)
    while len(chosen) < n:
        first = not chosen and not len(pool.taken)
        farthest = pool.rng.choice(pool.free) if first else pool.free[nearest[pool.free].argmax()]
        chosen.append(int(farthest))
        np.minimum(nearest, _distances(points, squares, farthest), out=nearest)
        nearest[farthest] = -1  # its own double at distance 0 comes before itself
    return np.array(chosen, np.int64)


def round_robin(pool: Pool, n: int) -> Indices:
    """One of each class in turn, the class with the fewest taken first; within a class by the seed."""
    classes = pool.scores["classes"]
    shuffled = pool.rng.permutation(pool.free)
    shuffled = shuffled[np.argsort(classes[shuffled], kind="stable")]
    of = classes[shuffled]
    turn = np.arange(len(of)) - np.searchsorted(of, of)  # place within its class
    taken = np.sort(classes[pool.taken])
    turn += np.searchsorted(taken, of, "right") - np.searchsorted(taken, of, "left")
    return shuffled[np.lexsort((of, turn))][:n]


def _distances(points: Array, squares: Array, centre: int) -> Array:
    """Squared distances of all points from one of them, without a copy of the points."""
    squared: Array = squares + squares[centre] - 2 * (points @ points[centre])
    return squared.clip(min=0)


def _checked(row: Strategy, name: str, scores: Scores, candidates: int) -> Array:
    score = SCORES[name]
    if name not in scores:
        raise InputError(f"Strategy {row.name!r} needs the score {name!r}, which is not there: {score.remedy}")
    values = np.asarray(scores[name])
    if values.ndim != len(score.axes) or values.shape[score.axes.index("items")] != candidates:
        axes = ", ".join(score.axes)
        raise InputError(f"Score {name!r} of shape {values.shape}: ({axes}) with {candidates} items is needed.")
    fault = "it must be numbers" if values.dtype.kind not in "iuf" else score.fault(values)
    if fault:
        raise InputError(f"Score {name!r}: {fault}. {score.remedy}")
    return values.astype(np.int64 if values.dtype.kind in "iu" else np.float64, copy=False)


def _no_probabilities(values: Array) -> str | None:
    if values.shape[-1] < 2 or (values.ndim > 2 and not len(values)):
        return "a sample or more of two classes or more is needed"
    sums = values.sum(-1, dtype=np.float64)
    if not (np.isfinite(sums).all() and (values >= 0).all() and (abs(sums - 1) <= ROUNDING).all()):
        return "probabilities of classes, which are not negative and sum to 1, are needed"
    return None


def _no_radius(values: Array) -> str | None:
    return "a ρ is not negative" if (values < 0).any() else None


def _not_finite(values: Array) -> str | None:
    return None if np.isfinite(values).all() else "finite numbers are needed"


def _no_classes(values: Array) -> str | None:
    return None if values.dtype.kind in "iu" else "whole numbers are needed"


SCORES: Mapping[str, Score] = MappingProxyType(
    {
        "probabilities": Score(
            ("items", "classes"), _no_probabilities, "Score the candidates with the campaign's network."
        ),
        "rho": Score(
            ("items",), _no_radius, "Search the smallest change of each candidate that flips the class (attack 'adv')."
        ),
        "samples": Score(
            ("samples", "items", "classes"),
            _no_probabilities,
            "Score the candidates several times, with dropout or an ensemble.",
        ),
        "embeddings": Score(("items", "features"), _not_finite, "Keep the network's last features of each candidate."),
        "classes": Score(("items",), _no_classes, "Give the class of each candidate's original."),
    }
)

ROWS = (
    Strategy("random", "Random", (), at_random, "uniform draws", uniform=True),
    Strategy("margin", "Smallest margin", ("probabilities",), margin, "Scheffer, Decomain and Wrobel, IDA 2001"),
    Strategy("entropy", "Largest entropy", ("probabilities",), entropy, "Settles, Active Learning, 2012"),
    Strategy("smallest-rho", "Smallest ρ that flipped", ("rho",), smallest_rho, "Ducoffe and Precioso 2018"),
    Strategy("bald", "BALD", ("samples",), bald, "Houlsby et al. 2011; Gal, Islam and Ghahramani, ICML 2017"),
    Strategy(
        "k-centre",
        "k-centre (farthest first)",
        ("embeddings",),
        k_centre,
        "Gonzalez 1985; Sener and Savarese, ICLR 2018",
    ),
    Strategy("round-robin", "Round-robin by class", ("classes",), round_robin, "equal numbers of each class"),
)

STRATEGIES: Mapping[str, Strategy] = MappingProxyType({row.name: row for row in ROWS})
