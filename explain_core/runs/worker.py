"""The worker: claims runs, starts each as a process of its own, speaks for it, and notes its end.

What may stop it is survived: asked to stop (SIGTERM, Ctrl-C), it stops its runs and hands them
back; killed, its runs die with it and are found silent by the next worker, which starts them again.
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import FrameType

from explain_core.errors import StoreError
from explain_core.records import Run
from explain_core.runs.child import carry_out
from explain_core.runs.kinds import Kinds
from explain_core.runs.store import Order, Store


@dataclass(frozen=True)
class Pace:
    """Seconds: between heartbeats, until a silent run counts as lost, and that a run is given to stop."""

    beat: float = 1.0
    lost_after: float = 60.0
    grace: float = 20.0


class Worker:
    """Runs of `kinds` on some devices, at most `at_once` on each, whichever worker of this machine holds them."""

    def __init__(
        self, store: Store, kinds: Kinds, *, devices: Sequence[str], at_once: int = 1, pace: Pace | None = None
    ) -> None:
        self.name = f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(4)}"
        self._store, self._kinds, self._devices, self._at_once = store, kinds, tuple(devices), at_once
        self._pace = pace or Pace()
        self._children: list[_Child] = []
        self._due, self._asked_to_stop = 0.0, 0
        self._start = multiprocessing.get_context("forkserver")
        # A fresh process for each run, forked where what this one has imported is imported already: torch is not.
        self._start.set_forkserver_preload([name for name in sys.modules if name != "__main__"])

    def run(self, *, most: int | None = None, until_idle: bool = False) -> int:
        """Works until it is asked to stop, or `most` runs were started, or nothing is left; returns how many ended.

        Raises StoreError where the table cannot be used; its runs are stopped then.
        """
        ended, started = 0, 0
        with self._listening() as heard:
            try:
                while not self._asked_to_stop:
                    self._speak()
                    while (most is None or started < most) and self._claim():
                        started += 1
                    if not self._children and self._may_end(started, most, until_idle):
                        break
                    self._wait([heard])
                    ended += self._reap()
            finally:
                ended += self._stop_all(heard)
        return ended

    def _may_end(self, started: int, most: int | None, until_idle: bool) -> bool:
        if most is not None:
            return True  # all were started, or none waits
        return until_idle and all(self._store.nothing_left(device, self._kinds) for device in self._devices)

    def _claim(self) -> bool:
        """Starts a run on the device that has the fewest of this worker's, if one waits for it."""
        busy = Counter(child.run.device for child in self._children)
        return any(self._claim_on(device) for device in sorted(self._devices, key=lambda device: busy[device]))

    def _claim_on(self, device: str) -> bool:
        host = socket.gethostname()[:100]
        run = self._store.claim(self.name, host, device, kinds=self._kinds, at_once=self._at_once)
        if run is None:
            return False
        process = self._start.Process(target=carry_out, args=(self._store, self._kinds[run.kind], run))
        process.start()
        self._children.append(_Child(run, process))
        self._store.begun(run, process.pid or 0)
        return True

    def _speak(self) -> None:
        """Heartbeats, and what they bring back; and a look for runs whose worker has fallen silent."""
        if time.monotonic() < self._due:
            return
        if self._children:
            orders = self._store.beat([child.run for child in self._children])
            for child in self._children:
                child.obey(orders[child.run.id], self._pace.grace)
        self._store.recover(self._pace.lost_after)
        self._due = time.monotonic() + self._pace.beat

    def _wait(self, heard: Sequence[int]) -> None:
        """Until a run ends, a signal is heard, or it is time to speak."""
        ready = connection.wait([*heard, *(child.process.sentinel for child in self._children)], self._pace.beat)
        for source in ready:
            if source in heard:
                os.read(source, 64)  # type: ignore[arg-type]

    def _reap(self) -> int:
        ended = [child for child in self._children if child.process.exitcode is not None]
        for child in ended:
            child.process.join()
            # What the run noted itself stands; this is for one that could not.
            if child.asked_to_stop:
                self._store.stopped(child.run)
            else:
                self._store.fail(child.run, _ending(child.process.exitcode or 0))
            self._children.remove(child)
        return len(ended)

    def _stop_all(self, heard: int) -> int:
        """Stops what runs; a second signal does not wait."""
        ended, asked, failed = 0, self._asked_to_stop, sys.exc_info()[0] is not None
        while self._children:
            hurry = self._asked_to_stop > asked
            for child in self._children:
                child.obey("cancel", 0 if hurry else self._pace.grace)
            self._wait([heard])
            try:
                self._speak()
                ended += self._reap()
            except StoreError:  # nothing can be noted; they will be found silent
                self._kill_all()
                if not failed:
                    raise
        return ended

    def _kill_all(self) -> None:
        for child in self._children:
            child.obey("lost", 0)
            child.process.join()
        self._children = []

    @contextmanager
    def _listening(self) -> Iterator[int]:
        """Signals are counted, and wake whoever waits."""

        def count(_signal: int, _frame: FrameType | None) -> None:
            self._asked_to_stop += 1

        source, sink = os.pipe()
        os.set_blocking(sink, False)
        earlier = {number: signal.signal(number, count) for number in (signal.SIGTERM, signal.SIGINT)}
        waker = signal.set_wakeup_fd(sink, warn_on_full_buffer=False)
        try:
            yield source
        finally:
            signal.set_wakeup_fd(waker)
            for number, handler in earlier.items():
                signal.signal(number, handler)
            os.close(source)
            os.close(sink)


@dataclass(eq=False)
class _Child:
    """A run and its process."""

    run: Run
    process: BaseProcess
    asked_to_stop: bool = False
    killed_at: float = 0.0

    def obey(self, order: Order, grace: float) -> None:
        """Stopped, it may end in its own way for `grace` seconds; lost, another has it and it ends at once."""
        if order == "go on":
            return
        if not self.asked_to_stop:
            self.asked_to_stop, self.killed_at = True, time.monotonic() + grace
            self._signal(signal.SIGTERM)
        self.killed_at = min(self.killed_at, time.monotonic() + grace)
        if order == "lost" or time.monotonic() >= self.killed_at:
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        """To the whole session, which is its own as soon as it has begun."""
        pid = self.process.pid
        if pid is None or self.process.exitcode is not None:
            return
        with suppress(ProcessLookupError):
            try:
                os.killpg(pid, number)
            except ProcessLookupError:
                os.kill(pid, number)


def _ending(code: int) -> str:
    if code >= 0:
        return f"Its process ended with code {code} and without a word: its log may show more."
    name = signal.Signals(-code).name
    hint = " (often: out of memory)" if name == "SIGKILL" else ""
    return f"Its process was ended by {name}{hint}: see its log, and retry it."
