"""Rows and runs: what is computed, and a method at work on a chunk of it, one slice at a time."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from explain_core.engine.answers import Chunk, to_answers
from explain_core.engine.faults import is_out_of_memory, one_line
from explain_core.engine.jobs import Job, Pixels, check_pixels, find_method, rho_for
from explain_core.engine.lending import lend
from explain_core.engine.library import Held
from explain_core.engine.spill import Spill
from explain_core.errors import (
    CannotExplain,
    MemoryExhausted,
    MethodError,
    ModelError,
    ParamError,
    RhoscopeError,
)
from explain_core.methods.base import Method
from explain_core.params import fingerprint
from explain_core.records import Answer, Floats
from explain_core.types import Drop, Explanation, Images, Question, Step, Working

State = Literal["waiting", "running", "done", "failed", "cancelled"]
Drops = tuple[tuple[int, str], ...]
Clock = Callable[[], float]

log = logging.getLogger("rhoscope")

AT_WORK = 5
"""Tensors of the network's largest size that an operation and its derivative hold at once."""


@dataclass(eq=False)
class Row:
    """One question under computation, and in the end its answer or error.

    `cost` in units of one forward + backward pass; `nbytes` estimates the memory it needs while a
    step is taken, `least` the same where all is put aside that can be, `between` what it holds between steps;
    the lower `priority`, the more urgent; `order` is its arrival.
    """

    job: Job
    pixels: Pixels
    held: Held
    method: Method
    group: str
    cost: float
    nbytes: int
    least: int
    between: int
    priority: int = 0
    order: int = 0
    state: State = "waiting"
    seconds: float = 0.0
    run: Run | None = None
    answer: Answer | None = None
    error: RhoscopeError | None = None

    @property
    def over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")

    def finish(self, result: Answer | RhoscopeError) -> None:
        """Its answer, or why there is none."""
        if isinstance(result, Answer):
            self.answer, self.state = result, "done"
        else:
            self.error, self.state = result, "failed"
        self.run = None


def make_row(held: Held, methods: Mapping[str, Method], job: Job, pixels: Pixels, priority: int = 0) -> Row:
    """A job checked against its model and method, its ρ and version settled.

    Memory: a step holds what autograd keeps (counted when the model was opened), once more as
    gradients and once for features kept from the original, and the method's pictures between steps.
    Raises the error of whatever does not fit.
    """
    method = find_method(methods, job.method)
    if job.model_sha256 != held.card.sha256:
        raise ModelError(f"The job was made for other weights than those of {job.model}: open the model again.")
    if not isinstance(job.params, method.params):
        raise ParamError(f"{type(job.params).__name__}: {method.name} takes {method.params.__name__}.")
    if method.name in held.card.cannot:
        raise CannotExplain(f"{method.name} cannot explain {job.model}: {held.card.cannot[method.name]}")
    target = held.model.class_index(job.target)
    pixels = check_pixels(pixels)
    held.model.check_images(pixels.shape)
    job = replace(job, target=target, rho=rho_for(method, job.rho), version=method.version)
    group = job.group(pixels.shape, str(pixels.dtype), method.per_row)
    pictures, pass_ = method.least or method.memory, method.together(*pixels.shape[-2:])
    between = held.density * method.features(job.params) + held.dtype.itemsize * pictures(job.params)
    return Row(
        job=job,
        pixels=pixels,
        held=held,
        method=method,
        group=fingerprint(group, job.image) if held.model.standardise else group,  # its pictures' constants are shared
        cost=method.cost(job.params),
        nbytes=int(pixels.size * (3 * held.density * pass_ + held.dtype.itemsize * method.memory(job.params))),
        least=int(pixels.size * (between + AT_WORK * held.widest * pass_)),
        between=int(pixels.size * between),
        priority=priority,
    )


class Run:
    """A method at work on a chunk of rows of one group.

    `step` takes one slice and never raises: afterwards `results` are there, or `exhausted` is
    true (too little memory), or there is more to do.  `planned` drops are those of an earlier run
    that is being replayed: its rows leave at the same steps, and it is never cut in two.  Its owner says at each
    step how much memory there is (`room`, bytes): what autograd keeps beyond that is put aside in a file.
    """

    def __init__(self, rows: list[Row], planned: Drops | None = None, clock: Clock = time.perf_counter) -> None:
        self.rows = tuple(rows)
        self.planned = planned
        self.exhausted = False
        self.progress = 0.0
        self.room = sys.maxsize
        self.results: list[Answer | RhoscopeError] | None = None
        self._method, self._clock = rows[0].method, clock
        self._model, self._network = rows[0].held.for_method(self._method)
        self._working: Working | None = None
        self._steps = 0
        self._left: dict[int, int] = {}
        self._pictures: Tensor | None = None
        self._lock = threading.Lock()
        self._spill: Spill | None = None

    @property
    def live(self) -> list[Row]:
        """The rows that somebody still waits for."""
        return [row for row in self.rows if row.state != "cancelled"]

    @property
    def priority(self) -> int:
        return min((row.priority for row in self.live), default=0)

    @property
    def order(self) -> int:
        return min(row.order for row in self.rows)

    @property
    def remaining(self) -> float:
        """Work still to be done, in units of one forward + backward pass of one row."""
        return sum(row.cost for row in self.live) * (1 - self.progress)

    @property
    def between(self) -> int:
        """Bytes that it holds between steps."""
        return sum(row.between for row in self.rows)

    @property
    def least(self) -> int:
        """Bytes that a step cannot do without."""
        return sum(row.least for row in self.rows)

    def step(self) -> None:
        """Take one slice: the method's next step, or its last."""
        started = self._clock()
        live = self.live
        try:
            # A step may be taken in a caller's thread, under whatever gradient mode that is in.
            with lend(self._model), torch.inference_mode(False), torch.enable_grad(), self._within():
                found = self._advance()
            self._share_time(live, started)
            if found is not None:
                self.results = self._answers(found)
        except (Exception, SystemExit) as error:
            self._stop(error)

    def _within(self) -> AbstractContextManager[None]:
        """Keeps to the room that there is; raises MemoryExhausted where that cannot be."""
        if sum(row.nbytes for row in self.rows) <= self.room:
            return nullcontext()
        if self._spill is None:
            self._check_room()
            self._spill = Spill([*self._model.parameters(), *self._model.buffers()])
        return self._spill.keeping(max(0, self.room - self.least))

    def _check_room(self) -> None:
        if self.least > self.room:
            height, width = self.rows[0].pixels.shape[-2:]
            raise MemoryExhausted(
                f"{self._method.name} on {width} × {height} pixels needs about {self.least / 2**30:.1f} GiB, and "
                f"{self.room / 2**30:.1f} are allowed: raise the limit (--memory, or RHOSCOPE_MEMORY), "
                f"{'lower history, ' if hasattr(self.rows[0].job.params, 'history') else ''}or use a smaller picture."
            )

    def preview(self, row: Row) -> Floats | None:
        """The row's picture (c, h, w) as it stood after the last step, or None before there is one."""
        with self._lock:
            if self._pictures is None:
                return None
            picture: Floats = self._pictures[self.rows.index(row)].float().cpu().numpy().copy()
            return picture

    def _advance(self) -> Explanation | None:
        """Up to the next step; the explanation when the method has returned."""
        try:
            if self._working is None:
                question = self._question()
                model = self._model.about(question.images[:1])  # where it matters, all rows are of one picture
                self._working = self._method.run(model, question, self.rows[0].job.params)
                step = next(self._working)
            else:
                drop = self._leaving()
                if not self.live:
                    self._working.close()
                    self.results = []
                    return None
                step = self._working.send(drop)
        except StopIteration as returned:
            found: Explanation = returned.value
            return found
        self._note(step)
        return None

    def _question(self) -> Question:
        held, jobs = self.rows[0].held, [row.job for row in self.rows]
        rho = None if jobs[0].rho is None else torch.tensor([job.rho for job in jobs], dtype=held.dtype)
        return Question(
            images=self._images(),
            target=torch.tensor([job.target for job in jobs], device=held.device),
            rho=None if rho is None else rho.to(held.device),
            seed=jobs[0].seed,
            keys=tuple(job.image for job in jobs),
            knobs={
                name: torch.tensor([getattr(job.params, name) for job in jobs], dtype=held.dtype, device=held.device)
                for name in self._method.per_row
                if getattr(jobs[0].params, name) is not None
            },
        )

    def _images(self) -> Images:
        held, pixels = self.rows[0].held, np.stack([row.pixels for row in self.rows])
        return torch.from_numpy(pixels).to(held.device, held.dtype)

    def _leaving(self) -> Drop | None:
        """The rows to drop now; when and which is recorded, as it can move the last bits of the others."""
        due = {key for step, key in self.planned or () if step == self._steps}
        for row in self.rows:
            if row.job.key in due:
                row.state = "cancelled"
        gone = [i for i, row in enumerate(self.rows) if row.state == "cancelled" and i not in self._left]
        self._left |= dict.fromkeys(gone, self._steps)
        return frozenset(gone) or None

    def _note(self, step: Step) -> None:
        self._steps += 1
        self.progress = max(self.progress, min(1.0, step.done / max(1, step.of)))
        if step.images is None:
            return
        # A copy, on the device: the method may go on in place, and a page that looks must not hold it up.
        with self._lock:
            if self._pictures is None:
                self._pictures = self._images()
            self._pictures[slice(None) if step.rows is None else step.rows] = step.images.detach()

    def _share_time(self, live: list[Row], started: float) -> None:
        share = (self._clock() - started) / max(1, len(live))
        for row in live:
            row.seconds += share

    def _answers(self, found: Explanation) -> list[Answer | RhoscopeError]:
        keys = tuple(row.job.key for row in self.rows)
        drops = tuple((step, keys[i]) for i, step in self._left.items())
        chunk = Chunk(keys, drops, tuple(row.seconds for row in self.rows), self._network)
        jobs, pixels = [row.job for row in self.rows], [row.pixels for row in self.rows]
        return to_answers(self._model, found, jobs, pixels, chunk)

    def _stop(self, error: BaseException) -> None:
        """Ends the run; only what the error says is kept, as its traceback holds on to the batch's tensors."""
        self._working = None
        if is_out_of_memory(error):
            self.exhausted = True
            return
        if not isinstance(error, RhoscopeError):
            log.info("%s stopped", self._method.name, exc_info=error)
            told = f"{self._method.name} stopped on an unforeseen error ({one_line(error)})"
            error = MethodError(f"{told}; try another model or method.")
        self.results = [error.with_traceback(None)] * len(self.rows)
