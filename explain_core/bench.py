"""What each method costs, in units of one forward + backward pass with respect to the input.

Times of different moments cannot be compared, so everything is measured in one run in turn: unit,
method, unit, method, …, with the same model and batch, eager, float32, on a fixed number of
threads.  A method's cost is the median of its times over the median of the units timed right
before it.  Next to it stand the passes that it counted itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import fmean, median
from typing import Any

import torch
from torch.nn import functional as F

from explain_core.engine.answers import device_name, versions
from explain_core.engine.lending import lend
from explain_core.errors import InputError
from explain_core.methods import get_method
from explain_core.methods.base import Method
from explain_core.models.classifier import Classifier, pick
from explain_core.params import Params
from explain_core.types import Explanation, Question

ROUNDS = 5
UNITS_PER_ROUND = 3
SIDE = 224
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
class Report:
    """Everything measured in one run, with what it was measured on."""

    model: str
    model_sha256: str
    device: str
    threads: int
    batch: int
    size: tuple[int, int]
    rounds: int
    versions: Mapping[str, str]
    costs: tuple[Cost, ...]
    path: Path | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def bench(
    model: Classifier,
    knobs: Mapping[str, Mapping[str, Any]],
    *,
    batch: int = 1,
    size: tuple[int, int] | None = None,
    rounds: int = ROUNDS,
    threads: int = 1,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Report:
    """Measures the methods in `knobs` (method → parameters) on seeded noise, target top 1, where the model is.

    `size` (h, w) defaults to the model's own, or 224 × 224.  Raises InputError for fewer than five
    rounds, and ImageError where the model does not take the size.
    """
    if rounds < ROUNDS:
        raise InputError(f"{rounds} rounds: a median needs at least {ROUNDS}.")
    size = size or model.input.size or (SIDE, SIDE)
    model.check_images((batch, model.input.channels, *size))
    where = model.mean.device
    with _threads(threads), lend(model):
        table = _Table(model, _question(model, batch, size, where))
        contests = [_Contest(table, *entry) for entry in _entries(knobs)]
        path = _path_contest(table, knobs)
        turns: list[_Contest | _PathContest] = [*contests, path] if path else [*contests]
        for number in range(rounds + 1):
            for index, contest in enumerate(turns):
                contest.turn(warming_up=number == 0)
                on_progress((number * len(turns) + index + 1) / (len(turns) * (rounds + 1)))
    return Report(
        model=model.spec,
        model_sha256=model.sha256(),
        device=device_name(where),
        threads=threads,
        batch=batch,
        size=size,
        rounds=rounds,
        versions=versions(),
        costs=tuple(contest.cost() for contest in contests),
        path=path.result() if path else None,
    )


class _Table:
    """What every contest shares: the lent model and the pictures."""

    def __init__(self, model: Classifier, question: Question) -> None:
        self.model, self.question = model, question

    def unit(self) -> None:
        """One forward + backward pass with respect to the input."""
        x = self.question.images.detach().requires_grad_()
        with torch.enable_grad():
            torch.autograd.grad(pick(self.model(x), self.question.target).sum(), x)

    def solve(self, method: Method, params: Params, question: Question) -> tuple[Explanation, int]:
        """The method's answer, and in how many steps it came."""
        working, steps = method.run(self.model, question, params), 0
        while True:
            try:
                next(working)
            except StopIteration as end:
                return end.value, steps
            steps += 1

    def seconds(self, work: Callable[[], object]) -> float:
        self._wait()
        start = time.perf_counter()
        work()
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        if self.question.images.is_cuda:
            torch.cuda.synchronize(self.question.images.device)


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
        units = [self.table.seconds(self.table.unit) for _ in range(UNITS_PER_ROUND)]
        seconds = self.table.seconds(self._solve)
        if not warming_up:
            self.units += units
            self.times.append(seconds)

    def _solve(self) -> None:
        self.found, self.steps = self.table.solve(self.method, self.params, self.question)

    def cost(self) -> Cost:
        unit, seconds = median(self.units), median(self.times)
        forward = fmean(passes.forward for passes in self.found.passes)
        backward = fmean(passes.backward for passes in self.found.passes)
        units = seconds / unit
        return Cost(
            method=self.method.name,
            rho=self.rho,
            seconds=seconds,
            unit_seconds=unit,
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
        self.table.solve(self.method, self.params, question)

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


def _question(model: Classifier, batch: int, size: tuple[int, int], device: torch.device) -> Question:
    """Seeded noise, coarse enough to have edges; each picture's most probable class."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(batch, model.input.channels, 8, 8, generator=generator)
    images = F.interpolate(coarse, size=size, mode="bilinear").to(device)
    with torch.no_grad():
        target = model(images).argmax(dim=1)
    return Question(images, target, keys=tuple(f"noise {row}" for row in range(batch)))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def table(report: Report) -> str:
    """The report as plain text."""
    height, width = report.size
    lines = [
        f"{report.model}, batch {report.batch} of {height} x {width} on {report.device}, {report.threads} thread(s), "
        f"medians of {report.rounds} rounds",
        f"{'method':<24}{'rho':>7}{'seconds':>10}{'units':>9}{'forward':>9}{'backward':>9}{'steps':>7}"
        f"{'per step':>10}{'per closure':>13}",
    ]
    for cost in report.costs:
        rho = "" if cost.rho is None else f"{cost.rho:g}"
        lines.append(
            f"{cost.method:<24}{rho:>7}{cost.seconds:>10.3f}{cost.units:>9.2f}{cost.forward:>9.1f}{cost.backward:>9.1f}"
            f"{cost.steps:>7}{_or_blank(cost.per_step):>10}{_or_blank(cost.per_closure):>13}"
        )
    if report.path:
        path = report.path
        lines.append(
            f"{path.method}, {len(PATH)} values of rho of one picture: {path.together:.3f} s as one batch, "
            f"{path.in_turn:.3f} s in turn ({path.share:.2f} of it)"
        )
    return "\n".join(lines)


def _or_blank(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
