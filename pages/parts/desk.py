"""What one browser session asked of the engine, and what came of it.

Streamlit runs the page again at every click; the desk remembers, so that nothing is asked twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from explain_core.engine import Job, Ticket
from explain_core.errors import Cancelled, RhoscopeError
from explain_core.params import Params
from explain_core.records import Answer, Floats
from pages.parts.pace import Pace

Outcome = Answer | RhoscopeError
OVER = ("done", "failed", "cancelled")


class Submits(Protocol):
    """The part of the engine that a desk needs."""

    def submit_all(self, questions: Iterable[tuple[Job, Floats]], priority: int = 0) -> list[Ticket]: ...


@dataclass(frozen=True)
class Wish:
    """A job with its picture; lower `priority` comes first, and above 0 it waits until it is released."""

    job: Job
    pixels: Floats = field(compare=False, repr=False)
    priority: int = 0


class Desk:
    """Tickets and outcomes by job; one per session, used by one thread at a time."""

    def __init__(self, engine: Submits) -> None:
        self._engine = engine
        self._wishes: dict[Job, Wish] = {}
        self._tickets: dict[Job, Ticket] = {}
        self._outcomes: dict[Job, Outcome] = {}
        self._released: set[Job] = set()
        self.pace = Pace()

    def want(self, wishes: Sequence[Wish]) -> None:
        """From now on these, and nothing else, are waited for; what is solved or under way is left alone."""
        self._wishes = {wish.job: wish for wish in wishes}
        self._released &= self._wishes.keys()
        for job in [job for job, ticket in self._tickets.items() if self._unwanted(job, ticket)]:
            self._tickets.pop(job).cancel()
        self._outcomes = {job: outcome for job, outcome in self._outcomes.items() if job in self._wishes}
        self._ask([wish for wish in wishes if self._is_due(wish.job) and self._is_open(wish.job)])

    def release(self, jobs: Iterable[Job]) -> None:
        """These may be solved, whatever they cost; `want` asks for them."""
        self._released.update(jobs)

    def held(self, jobs: Iterable[Job]) -> list[Job]:
        """Those of the jobs that nobody asked for yet."""
        return [job for job in dict.fromkeys(jobs) if self._is_open(job)]

    def _is_due(self, job: Job) -> bool:
        return self._wishes[job].priority == 0 or job in self._released

    def _is_open(self, job: Job) -> bool:
        return job not in self._tickets and job not in self._outcomes

    def _unwanted(self, job: Job, ticket: Ticket) -> bool:
        """Not wished for any more; or waiting since the slider passed by."""
        return job not in self._wishes or (ticket.state == "waiting" and not self._is_due(job))

    def _ask(self, wishes: Sequence[Wish]) -> None:
        """What may share a batch is handed in together; what cannot be asked has its error as the outcome."""
        groups: dict[tuple[int, str, str, Params], list[Wish]] = {}
        for wish in sorted(wishes, key=lambda wish: wish.priority):
            job = wish.job
            groups.setdefault((wish.priority, job.method, job.model, job.params), []).append(wish)
        for (priority, *_), group in groups.items():
            jobs = [wish.job for wish in group]
            try:
                tickets = self._engine.submit_all([(wish.job, wish.pixels) for wish in group], priority)
                self._tickets.update(zip(jobs, tickets, strict=True))
            except RhoscopeError as error:
                self._outcomes.update(dict.fromkeys(jobs, error))

    def poll(self) -> None:
        """Takes in what is finished; also tells the engine that somebody still waits.

        A ticket that the engine gave up, because the browser slept for a while, is asked for again.
        """
        over = {job: ticket for job, ticket in self._tickets.items() if ticket.state in OVER}
        for job, ticket in over.items():
            del self._tickets[job]
            if ticket.state != "cancelled":
                self._outcomes[job] = outcome = _outcome(ticket)
                if isinstance(outcome, Answer):
                    self.pace.note(outcome)
        self._ask([self._wishes[job] for job, ticket in over.items() if ticket.state == "cancelled"])

    def outcome(self, job: Job) -> Outcome | None:
        """The answer, the error in its place, or None while it is waited for."""
        return self._outcomes.get(job)

    def answer(self, job: Job) -> Answer | None:
        outcome = self._outcomes.get(job)
        return outcome if isinstance(outcome, Answer) else None

    def under_way(self, job: Job) -> tuple[float, Floats | None] | None:
        """Progress, 0 … 1, and the changed picture (c, h, w) as it stands; None for a job that is not waited for."""
        ticket = self._tickets.get(job)
        return None if ticket is None else (ticket.progress, ticket.preview())

    @property
    def busy(self) -> bool:
        return bool(self._tickets)

    @property
    def stopped(self) -> bool:
        """Whether somebody cancelled what is still wanted."""
        return any(isinstance(outcome, Cancelled) for outcome in self._outcomes.values())

    @property
    def done(self) -> int:
        return len(self._outcomes)

    @property
    def state(self) -> tuple[int, int]:
        """Done, and asked for: whoever drew the page knows by it whether that has become old."""
        return self.done, self.of

    @property
    def of(self) -> int:
        """How many were asked for."""
        return len(self._outcomes) + len(self._tickets)

    @property
    def progress(self) -> float:
        """0 … 1 over everything that was asked for."""
        under_way = sum(ticket.progress for ticket in self._tickets.values())
        return min(1.0, (self.done + under_way) / max(1, self.of))

    def cancel(self) -> None:
        """Gives up what is not solved yet."""
        for job, ticket in list(self._tickets.items()):
            ticket.cancel()
            self._outcomes[job] = Cancelled("Stopped before it was solved.")
        self._tickets.clear()

    def resume(self) -> None:
        """Asks again for what was given up."""
        again = [job for job, outcome in self._outcomes.items() if isinstance(outcome, Cancelled)]
        for job in again:
            del self._outcomes[job]
        self._ask([self._wishes[job] for job in again])


def _outcome(ticket: Ticket) -> Outcome:
    try:
        return ticket.result(timeout=0)
    except RhoscopeError as error:
        return error
