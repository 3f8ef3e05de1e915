"""BTR ARA of a loop's networks, measured again with longer searches: arms against each other.

    python docs/results/loop_again.py FILE

FILE is what `rhoscope evaluate btr-ara` wrote of the network before and of those in OUT/ARM-SEED/network.  Intervals as
in a proof: 2,000 draws of pictures and seeds together, the same for every arm.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np

from explain_core.metrics.ara import area

DRAWS = 2000
NETWORK = re.compile(r"/(labelled|regardless|small)-\d/")


def main(path: Path) -> None:
    found: dict[str, list[list[float]]] = {}
    results = json.loads(path.read_text("utf-8"))["results"]
    naive = results[0]["numbers"]["naive"]
    for arm in results:
        name = NETWORK.search(arm["model"])
        found.setdefault(name[1] if name else "before", []).append([entry["value"] for entry in arm["per_image"]])
    values = {name: np.array(rows) for name, rows in found.items()}
    seeds, images = values["labelled"].shape
    draw = np.random.default_rng(0)
    rows = [np.arange(seeds), *draw.integers(0, seeds, (DRAWS, seeds))]
    columns = [np.arange(images), *draw.integers(0, images, (DRAWS, images))]
    areas = {
        name: np.array(
            [area(some[np.minimum(row, len(some) - 1)][:, column], naive).mean()
             for row, column in zip(rows, columns, strict=True)]
        )
        for name, some in values.items()
    }  # fmt: skip
    for name, drawn in areas.items():
        less = areas["labelled"] - drawn
        print(f"| {name} | {told(drawn)} | {told(less)} |")


def told(drawn: np.ndarray) -> str:
    low, high = np.quantile(drawn[1:], [0.025, 0.975])
    return f"{1000 * drawn[0]:.3f} ({1000 * low:.3f} – {1000 * high:.3f})"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
