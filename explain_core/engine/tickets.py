"""What someone who asked holds in hand; several tickets may wait for one row."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition

from explain_core.engine.batches import Clock, Row, State
from explain_core.engine.jobs import Job
from explain_core.errors import Cancelled, RhoscopeError
from explain_core.records import Answer, Floats


class Ticket:
    """One asker's claim on an answer; every look at it counts as a sign of life."""

    def __init__(self, row: Row, turn: Condition, leave: Callable[[Ticket], None], clock: Clock, keep: bool) -> None:
        self.row = row
        self.keep = keep
        self._turn, self._leave, self._clock = turn, leave, clock
        self._gone = False
        self._waiters = 0
        self._seen = clock()

    @property
    def job(self) -> Job:
        """The job as it is computed: its ρ and the method's version settled."""
        return self.row.job

    @property
    def state(self) -> State:
        """`waiting`, `running`, `done`, `failed` or `cancelled`."""
        self._seen = self._clock()
        return "cancelled" if self._gone else self.row.state

    @property
    def progress(self) -> float:
        """From 0 to 1, in steps of the method."""
        run = self.row.run
        return 1.0 if self.state == "done" else run.progress if run else 0.0

    def preview(self) -> Floats | None:
        """The picture (c, h, w) as it stands, or None where there is none (yet); never waits for a step."""
        if self.state == "done" and self.row.answer:
            return self.row.answer.perturbed
        run = self.row.run
        return run.preview(self.row) if run else None

    def result(self, timeout: float | None = None) -> Answer:
        """The answer; raises what the computation raised, Cancelled, or TimeoutError after `timeout` seconds."""
        with self._turn:
            self._waiters += 1
            try:
                over = self._turn.wait_for(lambda: self._gone or self.row.over, timeout)
            finally:
                self._waiters -= 1
                self._seen = self._clock()
        if not over:
            raise TimeoutError(f"No answer within {timeout:g} s; it is still being computed.")
        return self._answer()

    def cancel(self) -> None:
        """This asker waits no longer; the row leaves when nobody else waits for it."""
        with self._turn:
            if not self.row.over:
                self._leave(self)

    def close(self) -> None:
        """Marks the ticket as given up; for the engine."""
        self._gone = True

    def abandoned(self, now: float, patience: float) -> bool:
        """Whether nobody has looked at it for longer than `patience` seconds."""
        return not self.keep and not self._waiters and now - self._seen > patience

    def _answer(self) -> Answer:
        if self.row.answer and not self._gone:
            return self.row.answer
        error: RhoscopeError = Cancelled("The answer was given up because nobody waited for it; ask again.")
        if self.row.error and not self._gone:
            error = self.row.error
        raise error.with_traceback(None)
