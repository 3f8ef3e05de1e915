"""Our methods against other programs, in one run: unit, ours, theirs, unit, ours, theirs, …

Ours is what a user gets from the engine: `method.run` on a model that is open; what opening it took, preparation
included, is reported apart.
Theirs is what a user of that program gets: the plain network in eval mode, eager, its parameters as they were loaded;
setting the program up is not timed, and of settings that change nothing but the speed the fastest one counts.  A ratio
is the median of the rounds' ratios, theirs over ours; beside it stand its quartiles, and how far the answers agree.
"""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from explain_core.bench.rivals import RIVALS
from explain_core.bench.rivals.base import REMEDY, Asked, Rival
from explain_core.bench.stage import Measured, lent, measured, opened, question_of, solve, unit
from explain_core.bench.timing import ROUNDS, Work, check_rounds, enough, middle, on_threads, seconds
from explain_core.engine.library import Held
from explain_core.errors import InputError, RhoscopeError
from explain_core.methods import get_method
from explain_core.models.classifier import Classifier
from explain_core.types import Question


@dataclass(frozen=True)
class Row:
    """One contest; seconds and units of the whole batch are medians, `low` and `high` the ratio's quartiles.

    `way` is the setting of the peer that was fastest, of those that change nothing but the speed.
    """

    method: str
    peer: str
    version: str
    what: str
    way: str
    rounds: int
    ours_seconds: float
    theirs_seconds: float
    unit_seconds: float
    ours_units: float
    theirs_units: float
    ratio: float
    low: float
    high: float
    agreement: Mapping[str, float]


@dataclass(frozen=True)
class PeerReport(Measured):
    """`opening_seconds` is what the engine takes once to open a model, preparation included; `left_out` says which
    contests were not held, and why.
    """

    opening_seconds: float
    rows: tuple[Row, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class _Stage:
    """The network as the engine holds it, and as others get it."""

    held: Held
    loaded: Classifier
    question: Question


def contests(methods: Mapping[str, Mapping[str, Any]], rivals: Sequence[Rival]) -> list[Rival]:
    """Those of the methods; raises InputError where there is none."""
    found = [rival for rival in rivals if rival.method in methods]
    if not found:
        names = ", ".join(dict.fromkeys(rival.method for rival in rivals))
        raise InputError(f"No peer has {', '.join(methods)}: contests are held in {names}.")
    return found


def against_peers(
    model: Classifier,
    knobs: Mapping[str, Mapping[str, Any]],
    *,
    batch: int = 1,
    size: tuple[int, int] | None = None,
    data: str | None = None,
    rounds: int = ROUNDS,
    threads: int = 1,
    rivals: Sequence[Rival] = RIVALS,
    on_progress: Callable[[float], None] = lambda _: None,
) -> PeerReport:
    """Holds every contest of the methods in `knobs` (method → parameters) on pictures of `question_of`.

    A peer that is not installed, or that fails on this model, is named in `left_out`.  Raises InputError for fewer
    than five rounds or where no peer has any of the methods, and what `question_of` does.
    """
    check_rounds(rounds)
    held = contests(knobs, rivals)
    rows, left_out = list[Row](), list[str]()
    with on_threads(threads), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peers warn of their own affairs
        stage, opening = _stage(model, batch, size, data)
        with lent(stage.held):
            for place, rival in enumerate(held, 1):
                found = _held(stage, rival, knobs[rival.method], rounds)
                if isinstance(found, Row):
                    rows.append(found)
                else:
                    left_out.append(f"{rival.method} against {rival.peer}, {rival.what}: {found}")
                on_progress(place / len(held))
    return PeerReport(
        **measured(model, stage.question, threads, rounds),
        opening_seconds=opening,
        rows=tuple(rows),
        left_out=tuple(left_out),
    )


def _stage(model: Classifier, batch: int, size: tuple[int, int] | None, data: str | None) -> tuple[_Stage, float]:
    loaded = copy.deepcopy(model).eval().requires_grad_()
    question = question_of(loaded, batch, size, data)
    start = time.perf_counter()
    held = opened(model)
    return _Stage(held, loaded, question), time.perf_counter() - start


def _held(stage: _Stage, rival: Rival, given: Mapping[str, Any], rounds: int) -> Row | str:
    """The contest, or why it is not held."""
    version = rival.version()
    if version is None:
        return f"{rival.peer} is not installed: {REMEDY}"
    method = get_method(rival.method)
    if reason := method.cannot(stage.held.model):
        return reason
    params = method.params.build({**rival.settings(stage.question), **given})
    asked = Asked(copy.deepcopy(stage.loaded).requires_grad_(not rival.frozen), stage.question, params)
    try:
        ways = dict(rival.ways(asked))
        tried = {name: _tried(stage, way) for name, way in ways.items()}
    except RhoscopeError as error:
        return str(error)
    except Exception as error:  # whatever another program trips over, the other contests are held
        return f"{rival.peer} fails: {type(error).__name__}: {' '.join(str(error).split())}"
    best = min(tried, key=lambda name: tried[name][0])
    own, answer = partial(solve, stage.held, method, params, stage.question), tried[best][1]
    turns = list(_turns((partial(unit, stage.held.model, stage.question), own, ways[best]), rounds, stage))
    return _row(rival, version, best, turns, rival.agreement(asked, own()[0], answer))


def _tried(stage: _Stage, way: Callable[[], Any]) -> tuple[float, Any]:
    """How long one way takes, and what it finds."""
    answers = list[Any]()
    return seconds(lambda: answers.append(way()), stage.question.images.device), answers[0]


def _turns(works: tuple[Work, ...], rounds: int, stage: _Stage) -> Iterator[tuple[float, ...]]:
    """The seconds of each piece of work, round by round, after one that warms up and says how many follow."""
    device = stage.question.images.device
    first = [seconds(work, device) for work in works]
    for _ in range(enough(rounds, sum(first))):
        yield tuple(seconds(work, device) for work in works)


def _row(
    rival: Rival, version: str, way: str, turns: Sequence[tuple[float, ...]], agreement: Mapping[str, float]
) -> Row:
    """Out of the seconds of a unit, ours and theirs in each round."""
    one, ours, theirs = (median(times) for times in zip(*turns, strict=True))
    ratio, low, high = middle([other / own for _, own, other in turns])
    return Row(
        method=rival.method,
        peer=rival.peer,
        version=version,
        what=rival.what,
        way=way,
        rounds=len(turns),
        ours_seconds=ours,
        theirs_seconds=theirs,
        unit_seconds=one,
        ours_units=ours / one,
        theirs_units=theirs / one,
        ratio=ratio,
        low=low,
        high=high,
        agreement=agreement,
    )
