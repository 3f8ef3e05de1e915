"""Results as numbers and text, without torch: what pages show, files hold and annotations read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:  # the shell's help reads this file, and numpy takes as long as all the rest
    import numpy as np
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float32]"
SIMULATED = "simulated"
"""What the name of a rater begins with that is no person."""


@dataclass(frozen=True)
class Provenance:
    """Everything needed to compute a result again.

    `rho` is None for a method without one or asked without one; `chunk` lists the job keys that
    were solved together, in order, and `drops` the (step, key) of those that left before the end:
    with the same chunk and drops a result is reproduced to the bit on the same machine.
    `units` counts passes (one forward + backward = 1); `seconds` is this row's share of the time.
    """

    method: str
    method_version: int
    params: Mapping[str, Any]
    model: str
    model_sha256: str
    image_sha256: str
    target: int
    target_name: str
    rho: float | None
    seed: int
    units: float
    seconds: float
    device: str
    chunk: tuple[str, ...] = ()
    drops: tuple[tuple[int, str], ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """One row's explanation.

    `input` float32 (c, h, w) in [0, 1], what the network saw before its own normalisation;
    `saliency` float32 (h, w), raw and signed; `perturbed` float32 (c, h, w) in [0, 1], on which
    `after` and the RMSE are computed; `mask` bool (h, w); `before` and `after` probabilities (v,);
    `numbers` the method's own figures; `outcome` what happened, in words; `trace` curves by step.
    """

    input: Floats
    saliency: Floats
    before: Floats
    outcome: str
    provenance: Provenance
    perturbed: Floats | None = None
    after: Floats | None = None
    mask: NDArray[np.bool_] | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    trace: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def change(self) -> Floats | None:
        """Signed difference (c, h, w), perturbed − input."""
        return None if self.perturbed is None else self.perturbed - self.input

    @property
    def rmse(self) -> float | None:
        """‖change‖₂ / √(c·h·w), in float64."""
        if self.perturbed is None:
            return None
        delta = self.perturbed.astype("float64") - self.input.astype("float64")
        return math.sqrt((delta**2).mean())

    @property
    def largest_change(self) -> float | None:
        """In grey levels, 0 to 255."""
        change = self.change
        return None if change is None else float(abs(change).max() * 255)

    @property
    def p_before(self) -> float:
        return float(self.before[self.provenance.target])

    @property
    def p_after(self) -> float | None:
        return None if self.after is None else float(self.after[self.provenance.target])

    @property
    def nbytes(self) -> int:
        arrays = [self.input, self.saliency, self.before, self.perturbed, self.after, self.mask, *self.trace.values()]
        return sum(array.nbytes for array in arrays if array is not None)


RunState = Literal["waiting", "running", "done", "failed", "cancelled", "interrupted"]
UNDER_WAY: tuple[RunState, ...] = ("waiting", "running")


@dataclass(frozen=True)
class Run:
    """A piece of long work, as its row in the `runs` table stood when it was read.

    `spec` is what its kind was asked, in plain values; `wants` the device asked for (`auto` is any)
    and `device` the one that it was given; `attempt` counts starts, and `losses` those whose worker
    was lost since somebody last asked for it; `progress` is 0 … 1, and `base` what it was when this
    attempt began; `note` and `error` are one line each.  Times are UTC.
    """

    id: str
    kind: str
    title: str
    spec: Mapping[str, Any]
    state: RunState
    out: str
    created: datetime
    wants: str = "auto"
    started: datetime | None = None
    finished: datetime | None = None
    progress: float = 0.0
    base: float = 0.0
    note: str = ""
    device: str | None = None
    attempt: int = 0
    losses: int = 0
    worker: str | None = None
    host: str | None = None
    pid: int | None = None
    heartbeat: datetime | None = None
    cancel_asked: bool = False
    error: str | None = None

    @property
    def under_way(self) -> bool:
        return self.state in UNDER_WAY

    @property
    def folder(self) -> Path:
        """Where its records, checkpoints and log lie."""
        return Path(self.out)

    @property
    def log(self) -> Path:
        """What it said, all attempts one after the other."""
        return self.folder / "log.txt"

    def remaining(self, now: datetime) -> float | None:
        """Seconds expected until it is done, at this attempt's pace; None while that is not known."""
        made = self.progress - self.base
        if self.state != "running" or self.started is None or made <= 0:
            return None
        return (now - self.started).total_seconds() * (1 - self.progress) / made
