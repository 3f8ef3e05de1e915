"""A training run's curves: OUT/metrics.jsonl as series of numbers, without torch.

    {"step": 40, "epoch": 1, "cross-entropy": 0.81, "accuracy": 0.74, "gradient norm": 2.1, "rate": 0.05}

A line is a point of some curves.  The file may be read while a run writes it: a last line that is not whole yet
is left for the next look.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "metrics.jsonl"
PACE = "images per second"
FIGURES: Mapping[str, tuple[str, ...]] = {
    "Accuracy": ("accuracy", "validation accuracy"),
    "ψ, the Lipschitz term's weight": ("ψ",),
    "Gradient norm": ("gradient norm",),
    "Learning rate": ("rate",),
    "Average density of activations": ("average density",),
    "Images per second": (PACE,),
}
"""Which curves share axes; all others are parts of the loss."""
LOSS = "Loss"
WIDE = 30.0
"""Parts of the loss whose sizes differ so much are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Series:
    """One curve: `steps` rise, `epochs` are those finished by then, `values` are finite."""

    steps: tuple[int, ...]
    epochs: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def last(self) -> float:
        return self.values[-1]


Curves = Mapping[str, Series]


def read_curves(folder: Path) -> dict[str, Series]:
    """Every curve of a run's folder by name, in the order of the file; none before the first point."""
    try:
        lines = (folder / FILE).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    points: dict[str, list[tuple[int, int, float]]] = {}
    for line in lines:
        for step, epoch, name, value in _points(line):
            points.setdefault(name, []).append((step, epoch, value))
    return {name: _series(found) for name, found in points.items()}


def _points(line: str) -> Iterable[tuple[int, int, str, float]]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return
    if not isinstance(entry, dict) or not _whole(entry.get("step")) or not _whole(entry.get("epoch")):
        return
    for name, value in entry.items():
        if name not in ("step", "epoch") and _finite(value):
            yield entry["step"], entry["epoch"], name, float(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _finite(value: Any) -> bool:
    """An integer of JSON may be too large for a float."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def _series(points: list[tuple[int, int, float]]) -> Series:
    """Of a step that was told twice, the later value."""
    kept = {step: (epoch, value) for step, epoch, value in points}
    steps = sorted(kept)
    return Series(tuple(steps), tuple(kept[step][0] for step in steps), tuple(kept[step][1] for step in steps))


def figures(runs: Iterable[Curves]) -> dict[str, tuple[str, ...]]:
    """The figures that these runs have curves for, the loss first, and the names in each."""
    found = dict.fromkeys(name for curves in runs for name in curves)
    placed = {name for names in FIGURES.values() for name in names}
    parts = {LOSS: tuple(name for name in found if name not in placed)}
    parts |= {title: tuple(name for name in names if name in found) for title, names in FIGURES.items()}
    return {title: names for title, names in parts.items() if names}


def wide(runs: Iterable[Curves], names: Iterable[str]) -> bool:
    """Whether these curves are best seen on a logarithmic axis: all above zero, and far apart."""
    wanted = tuple(names)
    values = [value for curves in runs for name in wanted if name in curves for value in curves[name].values]
    return bool(values) and min(values) > 0 and max(values) > WIDE * min(values)


def latest(curves: Curves) -> dict[str, float]:
    """The last value of every curve."""
    return {name: series.last for name, series in curves.items()}


def as_csv(runs: Mapping[str, Curves]) -> str:
    """Every point of several runs: run, curve, step, epoch, value."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["run", "curve", "step", "epoch", "value"])
    for run, curves in runs.items():
        for name, series in curves.items():
            for row in zip(series.steps, series.epochs, series.values, strict=True):
                table.writerow([run, name, *row])
    return text.getvalue()


def pace(curves: Curves) -> float | None:
    """Pictures that the run took in a second, by its last word; None before it said so."""
    series = curves.get(PACE)
    return series.last if series and math.isfinite(series.last) and series.last > 0 else None
