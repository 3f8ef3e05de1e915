"""What the device does next: shortest remaining work first, in chunks that fit the memory."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from itertools import count

import torch

from explain_core.engine.batches import Clock, Drops, Row, Run
from explain_core.errors import MemoryExhausted, ParamError

MOST_SUSPENDED = 3
"""So many runs of one urgency are under way at once, besides ever shorter ones that cut in."""

OLDEST_EVERY = 8
"""Each eighth slice goes to whoever came first, so that no stream of short questions starves a long one."""

MOST_ROWS = {"cpu": 16, "cuda": 64}
"""Larger batches gain nothing, and one step of them would keep a short question waiting."""

BATCH_BYTES = 500 << 20
"""Of a batch on the processor, unless a limit was set: some four rows of a common network at 224 × 224, beyond which a
row becomes no cheaper, while the page with its libraries stays below 1.5 GB."""

LIMIT = "RHOSCOPE_MEMORY"
"""The setting: GiB that the computing may take, besides the program itself."""
LEAST_GIB, MOST_GIB = 0.1, 65_536


class Scheduler:
    """Waiting rows and runs under way.  It has neither thread nor lock: its owner calls it in turn.

    `pick` the next run, let it `step`, `settle` it, until there is nothing left to pick.
    """

    def __init__(
        self,
        device: torch.device,
        memory_bytes: int | None = None,
        most_rows: int | None = None,
        clock: Clock = time.perf_counter,
    ) -> None:
        asked = memory_bytes or asked_memory()
        self._memory = asked or free_memory(device)
        self._batch = asked or default_batch(device)
        self._most_rows = most_rows or MOST_ROWS[device.type]
        self._clock = clock
        self._device = device
        self._active: list[Run] = []
        self._waiting: dict[tuple[int, str], list[Row]] = {}
        self._limits: dict[str, int] = {}
        self._replays: dict[str, Drops] = {}
        self._arrivals = count()
        self.slices = 0

    @property
    def busy(self) -> bool:
        return bool(self._active or self._waiting)

    def add(self, row: Row) -> None:
        """A row to be computed some time."""
        row.order = next(self._arrivals)
        self._waiting.setdefault((row.priority, row.group), []).append(row)

    def add_replay(self, rows: Sequence[Row], drops: Drops) -> None:
        """Rows to be computed as one chunk, in this order, leaving at the given (step, key)."""
        group = f"replay {next(self._arrivals)}"
        self._replays[group] = drops
        for row in rows:
            row.group = group
            self.add(row)

    def remove(self, row: Row) -> None:
        """Takes back a row that has not been started."""
        place = (row.priority, row.group)
        self._waiting[place].remove(row)
        if not self._waiting[place]:
            del self._waiting[place]

    def hasten(self, row: Row, priority: int) -> None:
        """A waiting row becomes at least this urgent."""
        if row.state == "waiting" and priority < row.priority:
            self.remove(row)
            row.priority = priority
            self._waiting.setdefault((priority, row.group), []).append(row)

    def pick(self) -> Run | None:
        """The run whose step is due, or None when there is nothing to do."""
        options = [*self._active, *self._startable()]
        if not options:
            return None
        self.slices += 1
        if self.slices % OLDEST_EVERY == 0:
            run = min(options, key=lambda option: option.order)
        else:
            run = min(options, key=lambda option: (option.priority, option.remaining, option.order))
        if run not in self._active:
            self._start(run)
        run.room = self._memory - sum(other.between for other in self._active if other is not run)
        return run

    def settle(self, run: Run) -> list[Row]:
        """After a step: the rows that have been finished by it."""
        if run.exhausted:
            self._active.remove(run)
            return self._halve(run)
        if run.results is None:
            return []
        self._active.remove(run)
        finished = [(row, result) for row, result in zip(run.rows, run.results, strict=False) if row in run.live]
        for row, result in finished:
            row.finish(result)
        return [row for row, _ in finished]

    def _startable(self) -> list[Run]:
        """The next chunk of every waiting group, as far as there is room for one more run."""
        chunks = (self._chunk(rows) for rows in self._waiting.values())
        runs = [Run(rows, self._replays.get(rows[0].group), self._clock) for rows in chunks]
        return [run for run in runs if self._room_for(run)]

    def _room_for(self, run: Run) -> bool:
        """Suspended runs hold memory: few at once, unless a run is done twice before the shortest of them."""
        if not self._fits(run):
            return False
        rivals = [active for active in self._active if active.priority <= run.priority]
        return len(rivals) < MOST_SUSPENDED or 2 * run.remaining <= min(active.remaining for active in rivals)

    def _fits(self, run: Run) -> bool:
        """Whether all could be under way at once: what they hold between steps, and the largest step."""
        if not self._active:
            return True
        all_ = [*self._active, run]
        return sum(one.between for one in all_) + max(one.least - one.between for one in all_) <= self._memory

    def _chunk(self, rows: list[Row]) -> list[Row]:
        group = rows[0].group
        if group in self._replays:
            return rows
        if self._device.type == "cpu" and rows[0].method.sensitive:
            return rows[:1]
        most = min(self._most_rows, max(1, self._batch // max(1, rows[0].nbytes)), self._limits.get(group, len(rows)))
        return rows[: math.ceil(len(rows) / math.ceil(len(rows) / most))]

    def _start(self, run: Run) -> None:
        for row in run.rows:
            self.remove(row)
            row.state, row.run = "running", run
        self._replays.pop(run.rows[0].group, None)
        self._active.append(run)

    def _halve(self, run: Run) -> list[Row]:
        """Memory ran out: its rows go back to the front of their group, in chunks of half the size."""
        rows = run.live
        torch.cuda.empty_cache()
        if run.planned is not None or len(run.rows) == 1:
            for row in rows:
                height, width = row.pixels.shape[-2:]
                row.finish(
                    MemoryExhausted(
                        f"{row.job.method} on {width} × {height} pixels does not fit into memory"
                        f"{' with its whole chunk' if run.planned is not None else ''}; use a smaller picture."
                    )
                )
            return rows
        self._limits[run.rows[0].group] = len(run.rows) // 2
        for row in reversed(rows):
            row.state, row.run = "waiting", None
            self._waiting.setdefault((row.priority, row.group), []).insert(0, row)
        return []


def default_batch(device: torch.device) -> int:
    """Half of what is free on an accelerator; half a GiB on the processor."""
    return torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else BATCH_BYTES


def free_memory(device: torch.device) -> int:
    """What may be used where nobody set a limit: nine tenths of what is free on an accelerator; half of the machine."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] * 9 // 10
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def asked_memory() -> int | None:
    """The limit that is set, in bytes; raises ParamError for one that is no number of GiB."""
    text = os.environ.get(LIMIT)
    if not text:
        return None
    try:
        return memory_from(float(text))
    except ValueError:
        raise ParamError(f"{LIMIT} = {text}: a number of GiB is needed, for example 4.") from None


def memory_from(gib: float) -> int:
    """Bytes; raises ParamError."""
    if not LEAST_GIB <= gib <= MOST_GIB:
        raise ParamError(f"A memory limit of {gib:g} GiB: {LEAST_GIB} to {MOST_GIB} are possible; 4 is common.")
    return int(gib * 2**30)
