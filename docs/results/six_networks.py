"""The claims about six networks: figures of every network against standard's, paired by picture.

    python docs/results/six_networks.py FOLDER

FOLDER holds what `rhoscope evaluate` wrote: six-nm-vii.json, six-ae-ara.json and six-sparse-table-2.json.  Intervals
are percentile bootstraps of 2,000 draws of pictures, the same draws for every network.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain_core.metrics.ara import area

STANDARD = "shipped/cifar10-standard"
DRAWS = 2000
Values = NDArray[np.float64]
NAIVE = 0.1


def arms(folder: Path) -> Iterator[dict[str, Any]]:
    for name in ("nm-vii", "ae-ara", "sparse-table-2"):
        yield from json.loads((folder / f"six-{name}.json").read_text("utf-8"))["results"]


def drawn(values: Values, figure: Callable[[Values], Values]) -> Values:
    """The figure of every picture as it is, and behind it that of every draw."""
    draw = np.random.default_rng(0)
    rows = [np.arange(len(values)), *draw.integers(0, len(values), (DRAWS, len(values)))]
    return np.array([figure(values[row]) for row in rows])


def told(values: Values) -> str:
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return f"{values[0]:.4g} ({low:.4g} – {high:.4g})"


def main(folder: Path) -> None:
    found: dict[str, dict[str, Values]] = {}
    for arm in arms(folder):
        figure = (lambda some: area(some, NAIVE)) if arm["metric"].endswith("ara") else np.mean
        values = np.array([entry["value"] for entry in arm["per_image"]], float)
        found.setdefault(arm["metric"], {})[arm["model"]] = drawn(values, figure)
        if arm["metric"] == "attack-ara":
            right = np.array([entry["numbers"]["correct"] for entry in arm["per_image"]], float)
            found.setdefault("accuracy", {})[arm["model"]] = drawn(right, np.mean)
    for metric, rows in found.items():
        print(f"\n| {metric} | figure (95 %) | less standard's | over standard's |\n| --- | --- | --- | --- |")
        own = rows[STANDARD]
        for model, values in rows.items():
            ratio = told(values / own) if own.all() else "–"
            print(f"| {model} | {told(values)} | {told(values - own)} | {ratio} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
