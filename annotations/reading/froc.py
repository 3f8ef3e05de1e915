"""Free-response curves: how many lesions are found, at how many false marks a film (Bunch et al., 1977).

A mark finds a lesion where its middle (the centre of its area) lies in the lesion's true region, on the same film.  Of
several marks on one lesion the highest counts, and none of them is false.  Every other mark is false.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain_core.shapes import Points, shape_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
AT: tuple[float, ...] = (0.25, 0.5, 1.0)
"""False marks a film at which the share of lesions that are found is told."""


@dataclass(frozen=True)
class Mark:
    """A finding's middle in pixels, its score, and the number of the region that it is in."""

    x: float
    y: float
    score: float
    lesion: int | None


@dataclass(frozen=True)
class Marked:
    """A case that was read: marks, how many lesions it has, and on how many films."""

    marks: tuple[Mark, ...]
    lesions: int
    films: int


def hits(findings: Sequence[Mapping[str, Any]], regions: Sequence[Mapping[str, Any]]) -> list[Mark]:
    """Each finding as a mark."""
    outlines = [(region["film"], shape_of(region["shape"]).outline()) for region in regions]
    marks = []
    for finding in findings:
        x, y = middle(shape_of(finding["shape"]).outline())
        inside = [n for n, (film, points) in enumerate(outlines) if film == finding["film"] and within(x, y, points)]
        marks.append(Mark(x, y, float(finding.get("score", 0)), inside[0] if inside else None))
    return marks


def curve(cases: Sequence[Marked], weights: Ints | None = None) -> tuple[Floats, Floats]:
    """False marks a film and the share of lesions found, (t,) or (b, t) each, from 0 on, by falling threshold.

    `weights` (b, n) say how often each case counts.  Without lesions or films the shares are NaN.
    """
    scores = sorted({mark.score for case in cases for mark in case.marks}, reverse=True)
    place = {score: number + 1 for number, score in enumerate(scores)}
    false, found = np.zeros((2, len(cases), len(scores) + 1))
    for number, case in enumerate(cases):
        best: dict[int, float] = {}
        for mark in case.marks:
            if mark.lesion is None:
                false[number, place[mark.score]] += 1
            else:
                best[mark.lesion] = max(mark.score, best.get(mark.lesion, mark.score))
        for score in best.values():
            found[number, place[score]] += 1
    times = np.ones((1, len(cases))) if weights is None else weights.astype(float)
    shares = []
    for counts, of in ((false, [case.films for case in cases]), (found, [case.lesions for case in cases])):
        total = (times @ np.array(of, float))[:, None]
        shares.append(times @ counts.cumsum(1) / np.where(total > 0, total, np.nan))
    return (shares[0][0], shares[1][0]) if weights is None else (shares[0], shares[1])


def found_at(false: Floats, found: Floats, at: float) -> Floats:
    """The share of lesions (…) that are found with at most so many false marks a film, of curves (…, t)."""
    return np.asarray(np.where(false <= at, found, 0.0 * found).max(-1))


def middle(points: Points) -> tuple[float, float]:
    """The centre of an outline's area; of a line without one, the mean of its corners."""
    corners = np.asarray(points, float)
    following = np.roll(corners, -1, axis=0)
    cross = corners[:, 0] * following[:, 1] - following[:, 0] * corners[:, 1]
    if abs(cross.sum()) < 1e-9:
        return float(corners[:, 0].mean()), float(corners[:, 1].mean())
    x, y = ((corners + following) * cross[:, None]).sum(0) / (3 * cross.sum())
    return float(x), float(y)


def within(x: float, y: float, points: Points) -> bool:
    """Whether a point lies in an outline, by the even-odd rule."""
    inside = False
    for (x1, y1), (x2, y2) in zip(points, [*points[1:], points[0]], strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside
