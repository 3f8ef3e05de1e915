"""What every row of METRICS must do; a new row is tested by being there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from explain_core.api import asking
from explain_core.data.annotation import Annotation, Box, Region
from explain_core.engine.lending import lend
from explain_core.errors import ParamError
from explain_core.methods import METHODS
from explain_core.metrics import METRICS, get_metric
from explain_core.metrics.base import Case, Metric, Reading, Subject
from explain_core.models.classifier import Classifier
from explain_core.params import Choice, Knob, Params, Range, knobs
from explain_core.records import Answer, Floats
from tests.contracts.test_methods import beyond, same, state_of

ALL = pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
FEW = {"steps": 10, "samples": 2}


class Quick:
    """Asks with few steps, whatever the method."""

    def __init__(self, model: Classifier) -> None:
        self._ask = asking(model, "gradcam" if METHODS["gradcam"].cannot(model) is None else "explain-plus")
        self._ask.knobs = few(METHODS[str(self._ask.method)].params)

    def __call__(
        self,
        pixels: Sequence[Floats],
        targets: Sequence[int],
        *,
        method: str | None = None,
        knobs: Mapping[str, Any] | None = None,
        model: Classifier | None = None,
    ) -> list[Answer]:
        if method is not None:
            knobs = {**few(METHODS[method].params), **(knobs or {})}
        return self._ask(pixels, targets, method=method, knobs=knobs, model=model)


def few(params: type[Params]) -> dict[str, int]:
    """The counts of a parameter set, at what is quick."""
    rules = {knob.name: knob.rule for knob in knobs(params)}
    return {name: max(n, int(rule.low)) for name, n in FEW.items() if isinstance(rule := rules.get(name), Range)}


def subject(model: Classifier) -> Subject:
    mean = np.full((model.input.channels, 16, 16), 0.5, dtype=np.float32)
    return Subject(model, Quick(model), "gradcam", 3, mean)


def cases(model: Classifier, count: int) -> list[Case]:
    """Pictures with a class and a marked box."""
    rng = np.random.default_rng(5)
    name = model.classes[1]
    marked = Annotation((16, 16), (Region(name, Box(4, 4, 11, 11)),))
    shape = (model.input.channels, 16, 16)
    return [Case(f"case {i}", rng.random(shape).astype(np.float32), i % 2, marked) for i in range(count)]


def measured(metric: Metric, model: Classifier, chosen: Sequence[Case], **values: Any) -> list[Reading]:
    params = metric.params.build({**few(metric.params), **values})
    with lend(model):
        return list(metric.measure(subject(model), chosen, params))


def finite(reading: Reading) -> bool:
    values = [*reading.numbers.values(), *(value for curve in reading.curves.values() for value in curve)]
    return all(map(math.isfinite, values)) and (reading.value is None or math.isfinite(reading.value))


@ALL
def test_one_finite_reading_a_case(metric: Metric, any_tiny: Classifier) -> None:
    if metric.cannot(any_tiny):
        pytest.skip(f"{metric.name} does not apply")
    found = measured(metric, any_tiny, cases(any_tiny, 3))
    assert len(found) == 3
    assert all(finite(reading) for reading in found)
    assert all(reading.note for reading in found if reading.value is None)
    assert all(type(value) in (int, float) for reading in found for value in reading.numbers.values())
    summary = metric.summarise(found, found[:1] if metric.tunes else [], metric.params(), 0)
    assert summary.n + summary.not_found >= 3
    assert all(map(math.isfinite, summary.numbers.values()))
    if summary.value is not None and summary.interval is not None:
        assert summary.interval[0] <= summary.interval[1]


@ALL
def test_nothing_is_summed_up_from_nothing(metric: Metric) -> None:
    summary = metric.summarise([], [], metric.params(), 0)
    assert (summary.value, summary.n) == (None, 0)


@ALL
def test_the_same_twice_and_in_other_chunks(metric: Metric, tiny_named: Callable[[str], Classifier]) -> None:
    model = tiny_named("residual").double()
    chosen = cases(model, 3)
    together = measured(metric, model, chosen)
    assert measured(metric, model, chosen) == together
    apart = [reading for case in chosen for reading in measured(metric, model, [case])]
    for one, other in zip(together, apart, strict=True):
        assert one.value == pytest.approx(other.value, abs=1e-6)
        assert dict(one.numbers) == pytest.approx(dict(other.numbers), abs=1e-6)
        assert {name: pytest.approx(curve, abs=1e-6) for name, curve in other.curves.items()} == one.curves


@ALL
def test_the_model_comes_back_as_it_was(metric: Metric, tiny_named: Callable[[str], Classifier]) -> None:
    model = tiny_named("in-place")
    model.net.train()
    before = state_of(model)
    measured(metric, model, cases(model, 1))
    assert same(before, state_of(model))


@ALL
def test_where_a_need_is_missing_a_note_says_so(metric: Metric, tiny: Classifier) -> None:
    (case,) = cases(tiny, 1)
    bare = Case(case.name, case.pixels)
    params = metric.params.build(few(metric.params))
    with lend(tiny):
        (reading,) = metric.measure(Subject(tiny, Quick(tiny), "gradcam"), [bare], params)
    if metric.needs:
        assert reading.value is None
        assert reading.note
    assert finite(reading)
    assert metric.summarise([reading], [], params, 0).n == (reading.value is not None)


KNOBS = [
    pytest.param(metric, knob, id=f"{metric.name}-{knob.name}")
    for metric in METRICS.values()
    for knob in knobs(metric.params)
]


def ends(knob: Knob) -> list[Any]:
    if isinstance(knob.rule, Range):
        return [knob.kind(end) for end in (knob.rule.low, knob.rule.high)]
    if isinstance(knob.rule, Choice):
        return list(knob.rule.options)
    return [False, True] if knob.kind is bool else [knob.default]


@pytest.mark.parametrize(("metric", "knob"), KNOBS)
def test_each_knob_works_at_its_ends(metric: Metric, knob: Knob, tiny: Classifier) -> None:
    for value in ends(knob):
        if knob.name in FEW and value > 20:
            metric.params.build({knob.name: value})  # as long as it is, the loop is the same
            continue
        found = measured(metric, tiny, cases(tiny, 2), **{knob.name: value})
        assert all(finite(reading) for reading in found)
        assert metric.summarise(found, found, metric.params.build({knob.name: value}), 0).n >= 0


@pytest.mark.parametrize(("metric", "knob"), KNOBS)
def test_one_step_beyond_is_refused(metric: Metric, knob: Knob) -> None:
    for value in beyond(knob):
        with pytest.raises(ParamError, match=knob.name):
            metric.params.build({knob.name: value})


@ALL
def test_a_row_says_what_it_is(metric: Metric) -> None:
    assert metric.title
    assert metric.citation
    assert metric.summary.endswith(".")
    assert metric.cost(metric.params()) >= 0
    assert all(knob.help for knob in knobs(metric.params))
    assert get_metric(metric.name) is metric
    assert asdict(metric.params()) == metric.params.build({}).as_dict()
