"""Runs a study chunk by chunk into its folder; stopped at any moment, it goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from explain_core.data.sources import DataSet
from explain_core.engine.lending import lend
from explain_core.engine.library import Held
from explain_core.engine.predictions import predict
from explain_core.evaluation.asking import Asking
from explain_core.evaluation.cases import Cases, cases_of
from explain_core.evaluation.folder import RunFolder
from explain_core.evaluation.remember import Blurred, Counting, Enlarged, Remembering
from explain_core.evaluation.study import Study, Work
from explain_core.metrics.base import Ask, Case, Reading, Subject
from explain_core.params import Params
from explain_core.records import Answer, Floats

AT_ONCE = 16
"""Pictures held in memory for their mean."""

OnProgress = Callable[[float], None]
OnFault = Callable[[str], None]
Mean = Callable[[Held], Floats]


@dataclass
class Readings:
    """One arm's readings by split, the parameters they were taken with, and what stands beside them."""

    params: Params
    tuning: list[dict[str, Any]] = field(default_factory=list)
    test: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def run(
    study: Study,
    out: Path,
    *,
    on_progress: OnProgress = lambda _: None,
    on_fault: OnFault = lambda _: None,
) -> dict[str, Readings]:
    """Every arm's records, by the arm's key, computed where the folder does not hold them yet.

    An arm that cannot be run is reported to `on_fault` and left out.  Raises OutputError where the
    folder belongs to another run, and the first error that is about more than one picture.
    """
    works = _possible(study, on_fault)
    with closing(RunFolder(out, study.question())) as folder:
        splits, mean = _splits(study), _Means(study)
        fitted = [_fitted(work, splits, folder, mean, study.seed) for work in works]
        found = {work.key: Readings(work.params) for work in fitted}
        pieces = list(_pieces(study, fitted, splits, mean))
        for index, piece in enumerate(pieces):
            piece.carry_out(folder, found, on_fault, study.seed)
            share = (index + 1) / len(pieces)
            folder.put_progress(share)
            on_progress(share)
    return found


def _possible(study: Study, on_fault: OnFault) -> list[Work]:
    works = study.works()
    for work in works:
        if work.obstacle:
            on_fault(work.obstacle)
    return [work for work in works if not work.obstacle]


@dataclass
class Piece:
    """A chunk of pictures of one split, under all arms of one model that want chunks of this size."""

    split: str
    number: int
    items: DataSet
    works: Sequence[Work]
    mean: Mean

    def carry_out(self, folder: RunFolder, found: Mapping[str, Readings], on_fault: OnFault, seed: int) -> None:
        place = self._place
        index = folder.chunk(place, self.number)
        todo = [work for work in self.works if index is None or not folder.complete(work.key, index["cases"])]
        if index is None or todo:
            read = _cases(self.items, self.works)
            index = {"cases": [case.name for case in read.cases], "left_out": list(read.left_out)}
            for reason in read.left_out:
                on_fault(reason)
            memory: dict[str, list[Answer]] = {}
            for work in todo:
                for name, record in self._measure(work, read.cases, memory, seed):
                    folder.put_record(work.key, name, record)
            folder.put_chunk(place, self.number, index["cases"], index["left_out"])
        for work in self.works:
            records = [folder.record(work.key, name) for name in index["cases"]]
            getattr(found[work.key], self.split).extend(record for record in records if record is not None)
            found[work.key].left_out += index["left_out"]

    @property
    def _place(self) -> str:
        first = self.works[0]
        return f"{first.held.card.sha256[:12]}-{self.split}-{first.metric.chunk}"

    def _measure(
        self, work: Work, cases: Sequence[Case], memory: dict[str, list[Answer]], seed: int
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        subject, ask = _subject(work, memory, self.mean, seed)
        started = time.perf_counter()
        with lend(subject.model):
            readings = list(work.metric.measure(subject, cases, work.params))
        seconds = (time.perf_counter() - started) / max(1, len(cases))
        explained = ask.units / max(1, len(cases))
        for case, reading in zip(cases, readings, strict=True):
            yield case.name, _record(case, reading, explained, seconds)


def _subject(work: Work, memory: dict[str, list[Answer]], mean: Mean, seed: int) -> tuple[Subject, Counting]:
    """Who is measured, and what counts the passes behind the answers."""
    arm = work.arm
    asking: Ask = Asking(work.held, arm.method, knobs=arm.method_knobs, rho=arm.rho, seed=seed)
    if arm.scale != 1:
        asking = Enlarged(asking, arm.scale)
    own = f"{arm.method} {dict(arm.method_knobs)} {arm.rho} {arm.scale}"
    ask = Counting(Blurred(Remembering(asking, memory, own), arm.blur))
    picture = mean(work.held) if "mean" in work.metric.needs else None
    model = work.held.prepared if work.metric.prepared else work.held.model
    return Subject(model, ask, arm.method, seed, picture), ask


def _fitted(work: Work, splits: Mapping[str, DataSet], folder: RunFolder, mean: Mean, seed: int) -> Work:
    """The work with what its metric chooses on the tuning split; asked once, and kept in the folder."""
    if work.metric.fit is None or "tuning" not in splits:
        return work
    chosen = folder.fit(work.key)
    if chosen is None:
        cases = _cases(splits["tuning"], [work]).cases
        subject, _ = _subject(work, {}, mean, seed)
        with lend(subject.model):
            chosen = work.metric.fit(subject, cases, work.params).as_dict()
        folder.put_fit(work.key, chosen)
    return replace(work, params=work.metric.params.build(chosen))


def _cases(items: DataSet, works: Sequence[Work]) -> Cases:
    held = works[0].held
    regions = any("regions" in work.metric.needs for work in works)
    return cases_of(items, held.model, predict=lambda pixels: predict(held, pixels), per_class=regions)


def _record(case: Case, reading: Reading, explained: float, seconds: float) -> dict[str, Any]:
    """One reading, with the passes that its explanations cost and its share of the time."""
    units = reading.units + explained
    return {"name": case.name, "label": case.label, "flags": case.flags, **asdict(replace(reading, units=units)),
            "seconds": seconds}  # fmt: skip


def _splits(study: Study) -> dict[str, DataSet]:
    items = study.data.sample(study.n, study.seed)
    if not study.tuning:
        return {"test": items}
    return dict(zip(("tuning", "test"), items.split(study.tuning, study.seed), strict=True))


def _pieces(study: Study, works: Sequence[Work], splits: Mapping[str, DataSet], mean: Mean) -> Iterator[Piece]:
    for held in study.models:
        own = sorted((work for work in works if work.held is held), key=lambda work: work.metric.chunk)
        for size, group in groupby(own, key=lambda work: work.metric.chunk):
            some = list(group)
            for split, part in splits.items():
                # What was fitted has no use for readings of the tuning split.
                here = [work for work in some if split == "test" or work.metric.fit is None]
                for number in range(0, len(part) if here else 0, size):
                    yield Piece(split, number // size, part[number : number + size], here, mean)


class _Means:
    """The mean of the study's pictures as a model takes them; computed once for each model."""

    def __init__(self, study: Study) -> None:
        self._items, self._found = study.data.sample(study.n, study.seed), dict[str, Floats]()

    def __call__(self, held: Held) -> Floats:
        key = held.card.sha256
        if key not in self._found:
            total, count = np.zeros(1), 0
            for start in range(0, len(self._items), AT_ONCE):
                some = self._items[start : start + AT_ONCE]
                for case in cases_of(some, held.model, predict=lambda pixels: predict(held, pixels)).cases:
                    total, count = total + case.pixels.astype(np.float64), count + 1
            self._found[key] = (total / max(1, count)).astype(np.float32)
        return self._found[key]
