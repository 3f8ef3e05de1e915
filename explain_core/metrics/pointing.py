"""The pointing game (Zhang et al., Excitation backprop, ECCV 2016; protocol of Fong, Patrick & Vedaldi 2019).

The map is brought to the size of the picture, bilinear, and its largest value, the first in row-major
order, is the point.  A hit is a point less than 15 pixels (strictly) from any pixel of the class's
regions.  A picture all of whose objects of the class are difficult is left out.  The figure is the
mean over classes of hits / (hits + misses); `difficult subset` the same over the cases flagged `hard`.

Interval and standard error are a bootstrap over pairs of picture and class; a draw averages the classes it holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from explain_core.data.annotation import Bits
from explain_core.metrics.base import Case, Metric, Reading, Subject, Summary
from explain_core.metrics.frames import blurred, marked, window_of
from explain_core.metrics.scoring import class_of
from explain_core.metrics.summing import DRAWS
from explain_core.params import Params, Range
from explain_core.records import Floats

Values = NDArray[np.float64]
HARD = "hard"


@dataclass(frozen=True)
class PointingParams(Params):
    tolerance: Annotated[
        float, Range(0.5, 200, 0.5, unit="pixels of the picture"), "A point nearer to the object than this is a hit."
    ] = 15.0
    blur: Annotated[
        float, Range(0, 100, 1, unit="pixels of the picture"), "σ of the blur of the map before its maximum is taken."
    ] = 0.0


def measure(subject: Subject, cases: Sequence[Case], params: PointingParams) -> Iterator[Reading]:
    """1 for a hit, 0 for a miss."""
    counted = [case for case in cases if not _all_difficult(case)]
    targets = [class_of(subject.model, case) for case in counted]
    answers = iter(subject.ask([case.pixels for case in counted], targets) if counted else [])
    for case in cases:
        group = marked(case).regions[0].name
        if _all_difficult(case):
            yield Reading(None, group=group, note="All objects of the class are difficult.")
            continue
        y, x = point(case, next(answers).saliency, params.blur)
        distance = distance_to(marked(case).mask(), y, x)
        yield Reading(
            value=float(distance < params.tolerance),
            numbers={"y": y, "x": x, "distance": distance, HARD: float(HARD in case.flags)},
            group=group,
        )


def _all_difficult(case: Case) -> bool:
    return all(region.difficult for region in marked(case).regions)


def point(case: Case, saliency: Floats, blur: float) -> tuple[int, int]:
    """Where the map is largest, (y, x) in the picture's frame."""
    placed = blurred(window_of(case).place(saliency, outside=float(saliency.min())), blur)
    y, x = np.unravel_index(int(placed.argmax()), placed.shape)
    return int(y), int(x)


def distance_to(mask: Bits, y: int, x: int) -> float:
    """Euclidean, from a pixel to the nearest one of the mask; the picture's diagonal where the mask is empty."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return float(np.hypot(*mask.shape))
    return float(np.sqrt(((rows - y) ** 2 + (columns - x) ** 2).min()))


def summarise(readings: Sequence[Reading], tuning: Sequence[Reading], params: object, seed: int) -> Summary:
    """The mean over classes."""
    found = [reading for reading in readings if reading.value is not None]
    if not found:
        return Summary(None, None, None, 0, len(readings))
    draws = resampled(found, seed)
    low, high = np.quantile(draws, [0.025, 0.975])
    hard = [reading for reading in found if reading.numbers[HARD]]
    numbers = {
        "classes": float(len({r.group for r in found})),
        "mean over pictures": float(np.mean([r.value for r in found])),
    }
    if hard:
        numbers |= {"difficult subset": mean_over_classes(hard), "difficult pairs": float(len(hard))}
    return Summary(
        value=mean_over_classes(found),
        standard_error=float(draws.std(ddof=1)) if len(found) > 1 else None,
        interval=(float(low), float(high)) if len(found) > 1 else None,
        n=len(found),
        not_found=len(readings) - len(found),
        numbers=numbers,
    )


def mean_over_classes(readings: Sequence[Reading]) -> float:
    hits, groups = _numbered(readings)
    return _mean_over_classes(hits, groups)


def resampled(readings: Sequence[Reading], seed: int) -> Values:
    """The figure of readings drawn with replacement, so many times."""
    hits, groups = _numbered(readings)
    picks = np.random.default_rng(seed).integers(0, len(hits), (DRAWS, len(hits)))
    return np.array([_mean_over_classes(hits[pick], groups[pick]) for pick in picks])


def _numbered(readings: Sequence[Reading]) -> tuple[Values, NDArray[np.intp]]:
    """Hits, and each reading's class as a number."""
    hits = np.array([reading.value for reading in readings], dtype=np.float64)
    return hits, np.unique([reading.group for reading in readings], return_inverse=True)[1]


def _mean_over_classes(hits: Values, groups: NDArray[np.intp]) -> float:
    counts = np.bincount(groups)
    present = counts > 0
    return float((np.bincount(groups, weights=hits)[present] / counts[present]).mean())


METRIC = Metric(
    name="pointing",
    title="Pointing game",
    summary="How often the most salient pixel lies on an object of the class, within 15 pixels.",
    citation="Zhang et al., Top-down neural attention by excitation backprop, ECCV 2016.",
    of="method",
    better="higher",
    measure=measure,
    summarise=summarise,
    params=PointingParams,
    cost=lambda _: 0.0,
    needs=frozenset({"label", "regions"}),
    version=2,
)
