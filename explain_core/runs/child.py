"""Inside a run's own process: its function is called, and its end is noted."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from types import FrameType

from explain_core.errors import Cancelled, StoreError
from explain_core.records import Run
from explain_core.runs.kinds import Kind
from explain_core.runs.scrub import told
from explain_core.runs.store import Point, Store

EVERY_S = 0.5
"""So often at most is the table written to."""


class Reporter:
    """A run's `Report`: gathers, and writes to the store now and then."""

    def __init__(self, store: Store, run: Run) -> None:
        self._store, self._run = store, run
        self._share, self._note = run.progress, ""
        self._points: list[Point] = []
        self._due, self._stop = 0.0, False

    @property
    def device(self) -> str:
        return self._run.device or "cpu"

    def progress(self, share: float, note: str = "") -> None:
        self._share, self._note = share, note
        self._write()
        if self._stop:
            raise Cancelled("The run was stopped.")

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._points.append((step, {name: float(value) for name, value in values.items()}))
        self._write()

    def cancelled(self) -> bool:
        return self._stop

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        """What SIGTERM does."""
        self._stop = True

    def finish(self) -> None:
        self._store.finish(self._run, self._points)

    def fail(self, error: BaseException) -> None:
        self._store.fail(self._run, told(error), self._points)

    def give_up(self) -> None:
        self._store.report(self._run, self._share, self._note, self._points)
        self._store.stopped(self._run)

    def _write(self) -> None:
        if time.monotonic() < self._due:
            return
        try:
            held = self._store.report(self._run, self._share, self._note, self._points)
        except StoreError as error:  # busy: the points are kept for the next time
            print(f"rhoscope: {error}", file=sys.stderr)
        else:
            self._points = []
            self._stop = self._stop or not held
        self._due = time.monotonic() + EVERY_S


def carry_out(store: Store, kind: Kind, run: Run) -> None:
    """The whole life of a run's process: it has a session of its own, and dies with its worker."""
    os.setsid()
    _speak_into(run.log)
    Thread(target=_die_with_worker, daemon=True).start()
    reporter = Reporter(store, run)
    signal.signal(signal.SIGTERM, reporter.stop)
    print(f"rhoscope: {run.kind}, attempt {run.attempt} on {reporter.device}", flush=True)
    try:
        kind.function()(run.spec, run.folder, reporter)
    except BaseException as error:
        if isinstance(error, Cancelled) and reporter.cancelled():
            reporter.give_up()
            return
        traceback.print_exc()
        reporter.fail(error)
        sys.exit(1)
    reporter.finish()


def _speak_into(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())


def _die_with_worker() -> None:
    """Without its worker nobody speaks for a run: another will start it again, so this one must not go on."""
    worker = multiprocessing.parent_process()
    if worker is not None:
        worker.join()
        os.killpg(0, signal.SIGKILL)
