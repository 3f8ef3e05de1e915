"""g_explain+ at ρ 0.1 of the first picture of each class, a row for each picture and a column for each network.

    python docs/results/six_networks_pictures.py DATA/cifar10/test_lossless.npz OUT.png

The first column is the picture itself; the class that is explained is the true one.  Run from the repository's root.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from explain_core.api import explain

NETWORKS = "docs/results/networks"
SPECS = (
    "shipped/cifar10-standard", f"trained:{NETWORKS}/l2", f"trained:{NETWORKS}/lipschitz", "shipped/cifar10-robust",
    f"trained:{NETWORKS}/modulation", f"trained:{NETWORKS}/elastic-net",
)  # fmt: skip
RHO, TIMES, GAP = 0.1, 3, 4


def tile(pixels: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3), enlarged pixel by pixel, with a white margin."""
    shown = np.rint(pixels.transpose(1, 2, 0) * 255).astype(np.uint8).repeat(TIMES, 0).repeat(TIMES, 1)
    return np.pad(shown, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)


def main(data: Path, out: Path) -> None:
    with np.load(data, allow_pickle=False) as file:
        x, y = file["x"], file["y"]
    labels = [int(label) for label in np.unique(y)]
    pictures = [x[np.flatnonzero(y == label)[0]].transpose(2, 0, 1).astype(np.float32) / 255 for label in labels]
    columns = [[tile(picture) for picture in pictures]]
    for spec in SPECS:
        answers = explain(spec, pictures, method="explain-plus", target=labels, rho=RHO)
        columns.append([tile(answer.perturbed) for answer in answers])
        before, after = (np.mean([getattr(answer, name) for answer in answers]) for name in ("p_before", "p_after"))
        print(f"{spec}: p of the true class {before:.3f} before, {after:.3f} after")
    Image.fromarray(np.hstack([np.vstack(column) for column in columns])).save(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
