"""What a training run tells: points of its curves, kept in its folder, and how far it is."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from explain_core.training.curves import FILE as CURVES

__all__ = ["CURVES", "EVERY", "Alone", "Listener", "Telling"]
EVERY = 20
"""Steps between two points of a curve."""


class Listener(Protocol):
    """Who follows a run; `cancelled` is asked once a step."""

    def progress(self, share: float, note: str) -> None: ...

    def metrics(self, step: int, values: Mapping[str, float]) -> None: ...

    def cancelled(self) -> bool: ...


class Alone:
    """Nobody follows; `show` may move a bar."""

    def __init__(self, show: Callable[[float], None] = lambda _: None) -> None:
        self.show = show

    def progress(self, share: float, note: str) -> None:
        self.show(share)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Nobody is told; the folder has them."""

    def cancelled(self) -> bool:
        return False


@dataclass
class Telling:
    """Means of what was added since the last point, and the pace since this process took the run up.

    `file` is None for a process that leaves telling to another one.
    """

    file: Path | None
    listener: Listener
    steps: int
    epochs: int
    batch: int
    sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    since: int = 0
    begun: float = field(default_factory=time.monotonic)
    begun_at: int = 0

    def take_up(self, step: int) -> None:
        """Goes on from a checkpoint; what was told after it is dropped, for it will be told again."""
        self.begun_at = step
        if self.file:
            _cut(self.file, step)

    def add(self, names: Sequence[str], values: Sequence[float]) -> None:
        for name, value in zip(names, values, strict=True):
            self.sums[name] += value
        self.since += 1

    def point(self, step: int, epoch: int, now: Mapping[str, float]) -> None:
        """A point of every curve: means since the last one, and values as they are `now`."""
        if not self.since:
            return
        pace = (step - self.begun_at) / max(time.monotonic() - self.begun, 1e-9)
        means = {name: total / self.since for name, total in self.sums.items()}
        self.note(step, epoch, {**means, **now, "images per second": pace * self.batch})
        self.sums.clear()
        self.since = 0
        left = _span((self.steps - step) / max(pace, 1e-9))
        self.listener.progress(step / self.steps, f"epoch {epoch + 1} of {self.epochs}, about {left} left")

    def note(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        if not self.file:
            return
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "epoch": epoch, **values}) + "\n")
        self.listener.metrics(step, values)


def _cut(path: Path, step: int) -> None:
    if not path.exists():
        return
    kept = [line for line in path.read_text("utf-8").splitlines() if _step_of(line) <= step]
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    unfinished.replace(path)


def _step_of(line: str) -> float:
    try:
        entry: dict[str, Any] = json.loads(line)
        return float(entry["step"])
    except (ValueError, KeyError, TypeError):  # the last line of a process that was killed
        return math.inf


def _span(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 5400 else f"{max(1, round(seconds / 60))} min"
