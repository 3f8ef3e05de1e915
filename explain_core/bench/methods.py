"""What each method costs, in units of one forward + backward pass with respect to the input.

Everything is measured in one run in turn: unit, method, unit, method, …, with the same model and batch, eager,
float32, on a fixed number of threads; units on the plain network, methods on the one that the engine gives them.  A
method's cost is the median of its times over the median of the units timed right before it.  Next to it stand the
passes that it counted itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean, median
from typing import Any

from explain_core.bench.stage import Measured, lent, measured, opened, question_of, solve, unit
from explain_core.bench.timing import ROUNDS, Work, check_rounds, on_threads, seconds
from explain_core.engine.library import Held
from explain_core.methods import get_method
from explain_core.methods.base import Method
from explain_core.models.classifier import Classifier
from explain_core.params import Params
from explain_core.types import Question

UNITS_PER_ROUND = 3
BALL = 0.05
PATH = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""The ρ of a slider's path: solved as one batch, and one after the other."""


@dataclass(frozen=True)
class Cost:
    """One method at one ρ.

    `units` is the measured cost of the whole batch over that of a unit with the same batch;
    `forward` and `backward` are passes counted, the mean of the rows; `steps` is how often it
    paused; `per_step` and `per_closure` are units per step and per backward pass.
    """

    method: str
    rho: float | None
    seconds: float
    unit_seconds: float
    units: float
    forward: float
    backward: float
    steps: int
    per_step: float | None
    per_closure: float | None


@dataclass(frozen=True)
class Path:
    """Eight ρ of one picture: seconds as one batch, and one after the other."""

    method: str
    together: float
    in_turn: float

    @property
    def share(self) -> float:
        return self.together / self.in_turn


@dataclass(frozen=True)
class Report(Measured):
    """Everything measured in one run."""

    costs: tuple[Cost, ...]
    path: Path | None


def bench(
    model: Classifier,
    knobs: Mapping[str, Mapping[str, Any]],
    *,
    batch: int = 1,
    size: tuple[int, int] | None = None,
    data: str | None = None,
    rounds: int = ROUNDS,
    threads: int = 1,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Report:
    """Measures the methods in `knobs` (method → parameters) on pictures of `question_of`, where the model is.

    `threads` are those of the processor.  Raises InputError for fewer than five rounds, and what `question_of` does.
    """
    check_rounds(rounds)
    held = opened(model)
    with on_threads(threads), lent(held):
        table = _Table(held, question_of(model, batch, size, data))
        contests = [_Contest(table, *entry) for entry in _entries(knobs)]
        path = _path_contest(table, knobs)
        turns: list[_Contest | _PathContest] = [*contests, path] if path else [*contests]
        for number in range(rounds + 1):
            for index, contest in enumerate(turns):
                contest.turn(warming_up=number == 0)
                on_progress((number * len(turns) + index + 1) / (len(turns) * (rounds + 1)))
    return Report(
        **measured(model, table.question, threads, rounds),
        costs=tuple(contest.cost() for contest in contests),
        path=path.result() if path else None,
    )


class _Table:
    """What every contest shares: the lent model and the pictures."""

    def __init__(self, held: Held, question: Question) -> None:
        self.held, self.question = held, question

    def seconds(self, work: Work) -> float:
        return seconds(work, self.question.images.device)


class _Contest:
    """A method against the unit, turn by turn."""

    def __init__(self, table: _Table, method: Method, params: Params, rho: float | None) -> None:
        self.table, self.method, self.params, self.rho = table, method, params, rho
        rows = len(table.question.images)
        self.question = replace(
            table.question, rho=None if rho is None else table.question.images.new_full((rows,), rho)
        )
        self.units: list[float] = []
        self.times: list[float] = []

    def turn(self, *, warming_up: bool) -> None:
        units = [self.table.seconds(self._unit) for _ in range(UNITS_PER_ROUND)]
        whole = self.table.seconds(self._solve)
        if not warming_up:
            self.units += units
            self.times.append(whole)

    def _unit(self) -> None:
        unit(self.table.held.model, self.table.question)

    def _solve(self) -> None:
        self.found, self.steps = solve(self.table.held, self.method, self.params, self.question)

    def cost(self) -> Cost:
        one, whole = median(self.units), median(self.times)
        forward = fmean(passes.forward for passes in self.found.passes)
        backward = fmean(passes.backward for passes in self.found.passes)
        units = whole / one
        return Cost(
            method=self.method.name,
            rho=self.rho,
            seconds=whole,
            unit_seconds=one,
            units=units,
            forward=forward,
            backward=backward,
            steps=self.steps,
            per_step=units / self.steps if self.steps else None,
            per_closure=units / backward if backward else None,
        )


class _PathContest:
    """One picture at eight ρ, as one batch against one after the other."""

    def __init__(self, table: _Table, method: Method, params: Params) -> None:
        self.table, self.method, self.params = table, method, params
        self.batch: list[float] = []
        self.turns: list[float] = []

    def turn(self, *, warming_up: bool) -> None:
        together = self.table.seconds(partial(self._solve, PATH))
        in_turn = sum(self.table.seconds(partial(self._solve, (rho,))) for rho in PATH)
        if not warming_up:
            self.batch.append(together)
            self.turns.append(in_turn)

    def _solve(self, rhos: Sequence[float]) -> None:
        asked = self.table.question
        question = Question(
            images=asked.images[:1].repeat(len(rhos), 1, 1, 1),
            target=asked.target[:1].repeat(len(rhos)),
            rho=asked.images.new_tensor(rhos),
            seed=asked.seed,
            keys=asked.keys[:1] * len(rhos),
        )
        solve(self.table.held, self.method, self.params, question)

    def result(self) -> Path:
        return Path(self.method.name, median(self.batch), median(self.turns))


def _entries(knobs: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[Method, Params, float | None]]:
    """Each method as it is used: without ρ where that is a form of its own, and at one ρ."""
    for name, values in knobs.items():
        method = get_method(name)
        params = method.params.build(values)
        if method.rho != "always":
            yield method, params, None
        if method.rho != "none":
            yield method, params, BALL


def _path_contest(table: _Table, knobs: Mapping[str, Mapping[str, Any]]) -> _PathContest | None:
    """With the cheapest of the methods that take a ρ."""
    entries = [(method, params) for method, params, rho in _entries(knobs) if rho is not None]
    if not entries:
        return None
    return _PathContest(table, *min(entries, key=lambda entry: entry[0].cost(entry[1])))
