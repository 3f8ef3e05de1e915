"""mini-MIAS split by patient, 60 to 40 with seed 0: `train.csv` to train on, and `annotations.csv` of the rest.

    python docs/results/mias_split.py DATA/mias OUT

Afterwards `csv:OUT/train.csv` and `mias:OUT` are data sets without a patient in common.
"""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

import numpy as np

HELD_OUT = 0.4


def patient(row: dict[str, str]) -> int:
    """An odd film and the next even one are of one woman."""
    return (int(row["ref"].removeprefix("mdb")) + 1) // 2


def split(source: Path, out: Path) -> None:
    with (source / "annotations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    patients = sorted({patient(row) for row in rows})
    held = set(np.random.default_rng(0).permutation(patients)[: round(HELD_OUT * len(patients))].tolist())
    (out / "png").mkdir(parents=True, exist_ok=True)
    for name in {row["file"] for row in rows}:
        shutil.copy(source / name, out / "png")
    with (out / "train.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "label", "patient", "name"])
        films = {row["file"]: row for row in rows if patient(row) not in held}
        for name, row in films.items():
            table.writerow([name, "normal" if row["abnormality"] == "NORM" else "lesion", patient(row), row["ref"]])
    with (out / "annotations.csv").open("w", newline="") as file:
        kept = csv.DictWriter(file, list(rows[0]))
        kept.writeheader()
        kept.writerows(row for row in rows if patient(row) in held)


if __name__ == "__main__":
    split(Path(sys.argv[1]), Path(sys.argv[2]))
