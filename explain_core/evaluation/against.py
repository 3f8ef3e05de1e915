"""One row of a table against the others, paired by picture: the differences, and how sure they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from explain_core.errors import ParamError, suggest
from explain_core.evaluation.tables import Arm
from explain_core.metrics.summing import interval, standard_error

VALUE = "value"


def against(arms: Sequence[Arm], row: str, seed: int = 0) -> list[dict[str, Any]]:
    """For every other row of the same metric and columns, each figure's mean difference (theirs − `row`'s).

    Rows of one model, or where a row is a model itself, of all.  Over the pictures that have both; with the standard
    error of the paired differences and the 95 % interval of their bootstrapped mean.  Raises ParamError for a row that
    is not there, or has no other beside it.
    """
    chosen = [arm for arm in arms if arm["row"] == row]
    if not chosen:
        raise ParamError(f"No row {row!r} in this result: {suggest(row, dict.fromkeys(arm['row'] for arm in arms))}")
    found = []
    for own in chosen:
        for other in arms:
            if other["row"] == row or _kind(other) != _kind(own):
                continue
            found += [
                {
                    "row": other["row"],
                    "against": row,
                    "column": next(iter(own["columns"])),
                    "metric": own["metric"],
                    "model": other["model"],
                    **line,
                }
                for line in _differences(_figures(own), _figures(other), seed)
            ]
    if not found:
        raise ParamError(f"No other row has the metric and the model of {row!r}: there is nothing to set against it.")
    return found


def _kind(arm: Arm) -> tuple[str, str, tuple[str, ...]]:
    """What arms must share to be compared: a metric at another scale of the pictures has columns of its own."""
    return arm["metric"], "" if arm["row"] == arm["model"] else arm["model"], tuple(arm["columns"])


def _figures(arm: Arm) -> dict[str, dict[str, float]]:
    """Figure → picture → number."""
    found: dict[str, dict[str, float]] = {}
    for entry in arm["per_image"]:
        for figure, number in {VALUE: entry["value"], **entry["numbers"]}.items():
            if number is not None:
                found.setdefault(figure, {})[entry["name"]] = float(number)
    return found


def _differences(
    own: Mapping[str, Mapping[str, float]], theirs: Mapping[str, Mapping[str, float]], seed: int
) -> list[dict[str, Any]]:
    lines = []
    for figure, numbers in own.items():
        shared = [name for name in numbers if name in theirs.get(figure, {})]
        if len(shared) < 2:
            continue
        pairs = np.array([theirs[figure][name] - numbers[name] for name in shared])
        low, high = interval(pairs, seed) or (None, None)
        lines.append(
            {
                "figure": figure,
                "difference": float(pairs.mean()),
                "standard error": standard_error(pairs),
                "low": low,
                "high": high,
                "pictures": len(pairs),
            }
        )
    return lines
