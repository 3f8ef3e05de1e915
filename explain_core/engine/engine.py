"""Owns time and the device: whoever asks gets a ticket at once, one worker does the computing."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType

import numpy as np

from explain_core.data.images import image_key
from explain_core.engine.answers import device_name, versions
from explain_core.engine.batches import Clock, Drops, Row, make_row
from explain_core.engine.cache import Cache
from explain_core.engine.disk import Disk, key_of
from explain_core.engine.jobs import Job, Pixels, check_pixels
from explain_core.engine.library import Library, ModelCard, choose_device
from explain_core.engine.predictions import predict
from explain_core.engine.schedule import Scheduler
from explain_core.engine.tickets import Ticket
from explain_core.errors import Cancelled
from explain_core.methods import METHODS
from explain_core.methods.base import Method
from explain_core.models.classifier import Classifier
from explain_core.params import fingerprint
from explain_core.records import Answer, Floats

PATIENCE = 10.0
"""Seconds after which a ticket that nobody looks at is abandoned."""


class Engine:
    """One worker thread on one device; every method may be called from any thread.

    Args:
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        cache_bytes: answers and predictions kept.
        memory_bytes: what the computing may take, besides the program itself; None: RHOSCOPE_MEMORY (GiB), or else
            half of the machine's memory, and nine tenths of a free accelerator's.
        disk: answers kept for longer than this engine; None: nowhere.
        methods: the table of methods.
        clock: seconds; only differences matter.
    """

    def __init__(
        self,
        device: str = "auto",
        cache_bytes: int = 1 << 30,
        memory_bytes: int | None = None,
        disk: Disk | None = None,
        methods: Mapping[str, Method] = METHODS,
        clock: Clock = time.monotonic,
    ) -> None:
        self.device = choose_device(device)
        self.methods = methods
        self.disk = disk
        self._clock = clock
        self._library = Library(self.device, methods)
        self._cache: Cache[Answer | Floats] = Cache(cache_bytes)
        self._scheduler = Scheduler(self.device, memory_bytes)
        self._turn = threading.Condition()
        self._rows: dict[str, Row] = {}
        self._tickets: dict[Row, list[Ticket]] = {}
        self._calls: deque[tuple[Callable[[], Floats], Future[Floats]]] = deque()
        self._next_look = clock()
        self._closed = False
        self._worker = threading.Thread(target=self._work, name=f"rhoscope-{self.device}", daemon=True)
        self._worker.start()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def slices(self) -> int:
        """Steps that the worker has begun so far; a page that only shows leaves it unchanged."""
        return self._scheduler.slices

    def open(self, spec: str, allow_code: Path | None = None) -> ModelCard:
        """A model by its spec, loaded once and shared; raises ModelError."""
        return self._library.open(spec, allow_code).card

    def add(self, name: str, model: Classifier) -> ModelCard:
        """A ready classifier under a name; its weights must not change while the engine has it."""
        return self._library.add(name, model).card

    def predict(self, spec: str, pixels: Pixels) -> Floats:
        """Probabilities (v,) of a picture (c, h, w), computed between two steps, and cached."""
        held, pixels = self._library.get(spec), check_pixels(pixels)
        key = fingerprint("predict", spec, held.card.sha256, image_key(pixels))
        known = self._cache.get(key)
        if isinstance(known, np.ndarray):
            return known
        probabilities = self._between_steps(lambda: predict(held, [pixels])[0])
        self._cache.put(key, probabilities)
        return probabilities

    def submit(self, job: Job, pixels: Pixels, priority: int = 0, keep: bool = False) -> Ticket:
        """A ticket at once; equal jobs share one computation.

        `pixels` (c, h, w) in [0, 1] (a read-only array is not copied); the lower `priority`, the
        sooner; `keep` goes on even when nobody looks.  Raises the error of a job that cannot be.
        """
        return self.submit_all([(job, pixels)], priority, keep)[0]

    def submit_all(
        self, questions: Iterable[tuple[Job, Pixels]], priority: int = 0, keep: bool = False
    ) -> list[Ticket]:
        """Tickets for many jobs that come in at once, so that they can share batches."""
        rows = [self._row(job, pixels, priority) for job, pixels in questions]
        for row in rows:
            self._fetch(row)
        with self._turn:
            self._check_open()
            tickets = [self._enter(row, keep) for row in rows]
            self._turn.notify_all()
        return tickets

    def replay(self, questions: Sequence[tuple[Job, Pixels]], drops: Drops = ()) -> list[Answer | None]:
        """A recorded chunk solved again, alone and in order: the same bits on the same machine.

        `questions` are those of `provenance.chunk`, `drops` is `provenance.drops`; a row that left
        early is None.  Nothing is taken from the cache or put there.
        """
        rows = [self._row(job, pixels, 0) for job, pixels in questions]
        with self._turn:
            self._check_open()
            self._scheduler.add_replay(rows, drops)
            tickets = [self._ticket(row, keep=True) for row in rows]
            self._turn.notify_all()
        left = {key for _, key in drops}
        try:
            return [None if ticket.job.key in left else ticket.result() for ticket in tickets]
        finally:
            for ticket in tickets:
                ticket.cancel()
                self._tickets.pop(ticket.row, None)

    def close(self) -> None:
        """Stops the worker after the step it is in; what is not done yet is cancelled."""
        with self._turn:
            self._closed = True
            for tickets in list(self._tickets.values()):
                for ticket in list(tickets):
                    self._leave(ticket)
            for _, future in self._calls:
                future.set_exception(Cancelled("The engine was closed."))
            self._calls.clear()
            self._turn.notify_all()
        self._worker.join()

    def _check_open(self) -> None:
        if self._closed:
            raise Cancelled("The engine was closed; open a new one.")

    def _row(self, job: Job, pixels: Pixels, priority: int) -> Row:
        return make_row(self._library.get(job.model), self.methods, job, pixels, priority)

    def _fetch(self, row: Row) -> None:
        """From the disk into the cache, where it is there."""
        key = row.job.key
        if self.disk and key not in self._rows and self._cache.get(key) is None:
            found = self.disk.get(self._disk_key(row), row.pixels)
            if found:
                self._cache.put(key, found)

    def _disk_key(self, row: Row) -> str:
        _, network = row.held.for_method(row.method)
        return key_of(row.job.key, device_name(self.device), {**versions(), "network": network})

    def _enter(self, row: Row, keep: bool) -> Ticket:
        """A ticket for the row, or for the equal one that is known, at work or waiting already."""
        key = row.job.key
        known = self._cache.get(key)
        if isinstance(known, Answer):
            row.finish(known)
            return Ticket(row, self._turn, self._leave, self._clock, keep)
        if key in self._rows:
            self._scheduler.hasten(self._rows[key], row.priority)
        else:
            self._rows[key] = row
            self._scheduler.add(row)
        return self._ticket(self._rows[key], keep)

    def _ticket(self, row: Row, keep: bool) -> Ticket:
        ticket = Ticket(row, self._turn, self._leave, self._clock, keep)
        self._tickets.setdefault(row, []).append(ticket)
        return ticket

    def _leave(self, ticket: Ticket) -> None:
        """One asker fewer; the last one takes the row along.  A running row leaves at the next step."""
        with self._turn:
            row = ticket.row
            others = self._tickets.get(row, [])
            if ticket not in others:
                return
            ticket.close()
            others.remove(ticket)
            if not others:
                del self._tickets[row]
                if self._rows.get(row.job.key) is row:
                    del self._rows[row.job.key]
                if row.state == "waiting":
                    self._scheduler.remove(row)
                row.state = "cancelled"
            self._turn.notify_all()

    def _between_steps(self, call: Callable[[], Floats]) -> Floats:
        future: Future[Floats] = Future()
        with self._turn:
            self._check_open()
            self._calls.append((call, future))
            self._turn.notify_all()
        return future.result()

    def _work(self) -> None:
        """The worker: calls first, else a slice of the run that is due; asleep when there is neither."""
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._closed or self._calls or self._scheduler.busy)
                if self._closed:
                    return
                self._give_up_abandoned()
                call, future = self._calls.popleft() if self._calls else (None, None)
                run = None if call else self._scheduler.pick()
            if call and future:
                _answer_call(call, future)
            elif run:
                run.step()
                with self._turn:
                    fresh = [row for row in self._scheduler.settle(run) if self._hand_over(row)]
                    self._turn.notify_all()
                for row in fresh:
                    if self.disk and row.answer:
                        self.disk.put(self._disk_key(row), row.answer)

    def _give_up_abandoned(self) -> None:
        now = self._clock()
        if now < self._next_look:
            return
        self._next_look = now + PATIENCE / 10
        for tickets in list(self._tickets.values()):
            for ticket in [ticket for ticket in tickets if ticket.abandoned(now, PATIENCE)]:
                self._leave(ticket)

    def _hand_over(self, row: Row) -> bool:
        """Whether there is an answer that others may be given too."""
        self._tickets.pop(row, None)
        if self._rows.get(row.job.key) is not row:
            return False
        del self._rows[row.job.key]
        if row.answer:
            self._cache.put(row.job.key, row.answer)
        return bool(row.answer)


def _answer_call(call: Callable[[], Floats], future: Future[Floats]) -> None:
    try:
        future.set_result(call())
    except Exception as error:
        future.set_exception(error)
