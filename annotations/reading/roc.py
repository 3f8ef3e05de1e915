"""Receiver operating characteristics of scores against a truth of 0 and 1, and their bootstrap over cases.

    AUC = mean over pairs (positive, negative) of 1 where the positive's score is higher, ½ where they are equal

which is Mann and Whitney's statistic (1947) over the number of pairs, and the area under the empirical curve's straight
segments.  A resample draws positives and negatives apart, each with replacement, so that it always has both; of several
readers the same cases are drawn, and readers are taken as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
GRID: Floats = np.linspace(0, 1, 41)
"""False positive shares at which curves are averaged."""


def auc(scores: Floats, labels: Ints, weights: Ints | None = None) -> Floats:
    """The area, () or (b,) for `weights` (b, n) of how often each case counts; NaN without positives or negatives."""
    found = np.ones((1, len(scores)), np.int64) if weights is None else weights
    positive, negative = labels == 1, labels == 0
    above = scores[positive][:, None] - scores[negative][None, :]
    wins = (above > 0) + 0.5 * (above == 0)
    first, second = found[:, positive].astype(float), found[:, negative].astype(float)
    pairs = first.sum(1) * second.sum(1)
    areas = ((first @ wins) * second).sum(1) / np.where(pairs > 0, pairs, np.nan)
    return np.asarray(areas[0] if weights is None else areas)


def curve(scores: Floats, labels: Ints, weights: Ints | None = None) -> tuple[Floats, Floats]:
    """False and true positive shares, (t,) or (b, t) each, from (0, 0) to (1, 1), by falling threshold."""
    found = np.ones((1, len(scores)), np.int64) if weights is None else weights
    above = (scores[None, :] >= np.unique(scores)[::-1][:, None]).astype(float)
    shares = []
    for label in (0, 1):
        chosen = labels == label
        counts = found[:, chosen].astype(float)
        total = counts.sum(1, keepdims=True)
        share = counts @ above[:, chosen].T / np.where(total > 0, total, np.nan)
        shares.append(np.hstack([np.zeros((len(found), 1)), share]))
    false, true = shares
    return (false[0], true[0]) if weights is None else (false, true)


def on_grid(false: Floats, true: Floats) -> Floats:
    """True positive shares at GRID, the highest where a curve rises upright; (len(GRID),)."""
    return np.interp(GRID, false + 1e-12 * np.arange(len(false)), true)


def resampled(labels: Sequence[int], count: int, seed: int) -> Ints:
    """How often each case is drawn, (count, n): positives and negatives apart."""
    rng, known = np.random.default_rng(seed), np.asarray(labels)
    drawn = np.zeros((count, len(known)), np.int64)
    for label in (0, 1):
        places = np.flatnonzero(known == label)
        if len(places):
            drawn[:, places] = rng.multinomial(len(places), np.full(len(places), 1 / len(places)), size=count)
    return drawn


def interval(found: Any, level: float) -> tuple[float | None, float | None]:
    """The percentile interval of resamples (b,); None where one in twenty of them has no value."""
    values = np.asarray(found, float)
    if np.isnan(values).mean() > 0.05:
        return None, None
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
