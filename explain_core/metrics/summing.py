"""Means with their standard errors and bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from explain_core.metrics.base import Reading, Summary

DRAWS = 2000
Values = NDArray[np.float64]


def mean_of(readings: Sequence[Reading], tuning: Sequence[Reading], params: object, seed: int) -> Summary:
    """The mean of the values, and of every number and curve that all readings share."""
    values = np.array([reading.value for reading in readings if reading.value is not None])
    found = [reading for reading in readings if reading.value is not None]
    missing = len(readings) - len(found) + sum(reading.censored for reading in found)
    if not found:
        return Summary(None, None, None, 0, missing)
    return Summary(
        value=float(values.mean()),
        standard_error=standard_error(values),
        interval=interval(values, seed),
        n=len(values),
        not_found=missing,
        numbers=mean_numbers(found),
        curves=mean_curves(found),
    )


def standard_error(values: Values) -> float | None:
    """s/√n with n − 1 in the variance; None for a single value."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None


def interval(values: Values, seed: int) -> tuple[float, float] | None:
    """The middle 95 % of the means of resampled values (percentile bootstrap); None for a single value."""
    if len(values) < 2:
        return None
    picks = np.random.default_rng(seed).integers(0, len(values), (DRAWS, len(values)))
    low, high = np.quantile(values[picks].mean(1), [0.025, 0.975])
    return float(low), float(high)


def mean_numbers(readings: Sequence[Reading]) -> Mapping[str, float]:
    shared = [name for name in readings[0].numbers if all(name in reading.numbers for reading in readings)]
    return {name: float(np.mean([reading.numbers[name] for reading in readings])) for name in shared}


def mean_curves(readings: Sequence[Reading]) -> Mapping[str, tuple[float, ...]]:
    """The mean of each curve that all readings have at one length."""
    means = {}
    for name, first in readings[0].curves.items():
        curves = [reading.curves.get(name, ()) for reading in readings]
        if all(len(curve) == len(first) for curve in curves):
            means[name] = tuple(float(value) for value in np.mean(curves, axis=0))
    return means
