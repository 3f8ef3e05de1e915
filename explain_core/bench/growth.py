"""How cost grows with the work: pictures in a batch, ρ in a batch, the side of a picture, masks; and what memory does.

Times are units: a pass forward and back of one picture of the same size, timed in the same rounds.  All points of a
curve take turns.  Memory is the largest that a process of its own has had, which explains pictures from files and
writes what it finds, as `rhoscope explain` does (`explain_core.bench.footprint`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any

import torch

from explain_core.bench.footprint import footprint
from explain_core.bench.methods import UNITS_PER_ROUND
from explain_core.bench.stage import Measured, lent, measured, opened, question_of, solve, unit
from explain_core.bench.timing import ROUNDS, Work, check_rounds, on_threads, seconds
from explain_core.engine.library import Held
from explain_core.errors import InputError, RhoscopeError
from explain_core.methods import get_method
from explain_core.methods.base import Method
from explain_core.models.classifier import Classifier
from explain_core.params import Params
from explain_core.types import Question

METHOD, SETTINGS = "explain-plus", {"steps": 10}
BALL, LOWEST, HIGHEST = 0.05, 0.001, 0.2
MEMORY = 0.5  # GiB that a batch may take


@dataclass(frozen=True)
class Reach:
    """How far each curve goes."""

    pictures: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    rhos: tuple[int, ...] = (1, 2, 4, 8, 16)
    sides: tuple[int, ...] = (32, 64, 128, 224, 448)
    masks: tuple[int, ...] = (50, 100, 200, 400, 800, 1600)
    files: tuple[int, ...] = (1, 4, 16, 64)


@dataclass(frozen=True)
class Point:
    """`at` along the curve, `value` in its measure; seconds where it was a time, and those of a unit beside it."""

    at: int
    value: float
    seconds: float | None = None
    unit_seconds: float | None = None


@dataclass(frozen=True)
class Curve:
    """`of` what, in what `measure`, `along` what; `proportional` where more work inherently costs more."""

    title: str
    of: str
    along: str
    measure: str
    proportional: bool
    points: tuple[Point, ...]


@dataclass(frozen=True)
class GrowthReport(Measured):
    curves: tuple[Curve, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class _Bench:
    """What every curve shares."""

    held: Held
    method: Method
    params: Params
    given: Mapping[str, Any]
    size: tuple[int, int]
    rounds: int
    threads: int
    reach: Reach

    @property
    def model(self) -> Classifier:
        return self.held.model

    @property
    def of(self) -> str:
        said = ", ".join(f"{name} {value}" for name, value in self.given.items())
        return f"{self.method.name}{said and f', {said}'}"

    def curve(self, points: Sequence[tuple[int, Work, Work]]) -> tuple[Point, ...]:
        """Units of (at, unit, work), round by round."""
        device, times = self.model.mean.device, {at: list[tuple[float, float]]() for at, _, _ in points}
        for number in range(self.rounds + 1):
            for at, one, whole in points:
                units = [seconds(one, device) for _ in range(UNITS_PER_ROUND)]
                took = median(units), seconds(whole, device)
                if number:
                    times[at].append(took)
        return tuple(_point(at, pairs) for at, pairs in times.items())


def _point(at: int, pairs: Sequence[tuple[float, float]]) -> Point:
    one, whole = (median(values) for values in zip(*pairs, strict=True))
    return Point(at, whole / one, whole, one)


def growth(
    model: Classifier,
    method: str = METHOD,
    given: Mapping[str, Any] = SETTINGS,
    *,
    size: tuple[int, int] | None = None,
    rounds: int = ROUNDS,
    threads: int = 1,
    reach: Reach = Reach(),
    on_progress: Callable[[float], None] = lambda _: None,
) -> GrowthReport:
    """Every curve, of a method with ρ and, for masks, of RISE; on seeded noise, where the model is.

    A curve that this model or machine does not allow is named in `left_out`.  Raises InputError for fewer than five
    rounds or a method without ρ, and ImageError where the model does not take the size.
    """
    check_rounds(rounds)
    row = get_method(method)
    if row.rho == "none":
        raise InputError(f"{method} has no ρ to grow with: choose a method that has one, such as {METHOD}.")
    question = question_of(model, 1, size)
    height, width = question.images.shape[2:]
    bench = _Bench(opened(model), row, row.params.build(given), given, (height, width), rounds, threads, reach)
    curves, left_out = list[Curve](), list[str]()
    for place, make in enumerate(CURVES, 1):
        try:
            with on_threads(threads), lent(bench.held):
                curves.append(make(bench))
        except RhoscopeError as error:
            left_out.append(f"{make.__name__.replace('_', ' ')}: {error}")
        on_progress(place / len(CURVES))
    return GrowthReport(**measured(model, question, threads, rounds), curves=tuple(curves), left_out=tuple(left_out))


def pictures_in_a_batch(bench: _Bench) -> Curve:
    one = question_of(bench.model, 1, bench.size)
    points = [
        (count, bench, one, _at(question_of(bench.model, count, bench.size), BALL)) for count in bench.reach.pictures
    ]
    return Curve("Pictures in a batch", bench.of, "pictures", "units", True, bench.curve([_works(*p) for p in points]))


def rhos_in_a_batch(bench: _Bench) -> Curve:
    one = question_of(bench.model, 1, bench.size)
    points = [(count, bench, one, _spread(one, count)) for count in bench.reach.rhos]
    return Curve("ρ of one picture in a batch", bench.of, "ρ", "units", True, bench.curve([_works(*p) for p in points]))


def side_of_a_picture(bench: _Bench) -> Curve:
    """In units of the same side, so that a level line is cost in proportion to the network's own."""
    sides = [side for side in bench.reach.sides if side >= bench.model.input.smallest]
    questions = [(side, question_of(bench.model, 1, (side, side))) for side in sides]
    points = [(side, bench, one, _at(one, BALL)) for side, one in questions]
    return Curve("Side of a picture", bench.of, "pixels", "units", False, bench.curve([_works(*p) for p in points]))


def masks(bench: _Bench) -> Curve:
    rise, one = get_method("rise"), question_of(bench.model, 1, bench.size)
    pass_ = partial(unit, bench.model, one)
    points = [
        (count, pass_, partial(solve, bench.held, rise, rise.params.build({"samples": count}), one))
        for count in bench.reach.masks
    ]
    return Curve("Masks", "rise", "masks", "units", True, bench.curve(points))


def memory_by_masks(bench: _Bench) -> Curve:
    points = tuple(Point(count, _peak(bench, "rise", {"samples": count}, 1)) for count in bench.reach.masks)
    return Curve("Memory by masks", f"rise, --memory {MEMORY}", "masks", "MiB", False, points)


def memory_by_pictures(bench: _Bench) -> Curve:
    points = tuple(Point(count, _peak(bench, bench.method.name, bench.given, count)) for count in bench.reach.files)
    title = f"{bench.of}, --memory {MEMORY}"
    return Curve("Memory by pictures", title, "pictures", "MiB", False, points)


CURVES = (pictures_in_a_batch, rhos_in_a_batch, side_of_a_picture, masks, memory_by_masks, memory_by_pictures)


def _works(at: int, bench: _Bench, one: Question, asked: Question) -> tuple[int, Work, Work]:
    return at, partial(unit, bench.model, one), partial(solve, bench.held, bench.method, bench.params, asked)


def _at(question: Question, rho: float) -> Question:
    return replace(question, rho=question.images.new_full((len(question.images),), rho))


def _spread(one: Question, count: int) -> Question:
    """One picture at so many ρ, evenly between LOWEST and HIGHEST in their logarithm."""
    rho = torch.logspace(0, 1, count, base=HIGHEST / LOWEST).to(one.images) * LOWEST
    return Question(one.images.repeat(count, 1, 1, 1), one.target.repeat(count), rho, one.seed, keys=one.keys * count)


def _peak(bench: _Bench, method: str, given: Mapping[str, Any], count: int) -> float:
    return footprint(bench.model.spec, method, given, count, bench.size, MEMORY, bench.threads)
