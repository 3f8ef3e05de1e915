"""What a metric is: a function from cases to readings, a way to sum them up, and a row of METRICS.

Metrics ask; they never import the engine.  Whoever runs one hands it a `Subject`, whose `ask`
explains pictures.  A reading belongs to one case and holds the raw curves, so that a run can be
stopped, resumed and summed up again without asking anything twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from explain_core.data.annotation import Annotation
from explain_core.data.window import Window
from explain_core.models.classifier import Classifier
from explain_core.params import Params
from explain_core.records import Answer, Floats

Need = Literal["label", "regions", "perturbed", "mask", "mean"]
"""What a metric cannot do without: the true class, marked regions, a method that returns a changed
picture, one that returns a mask, the data set's mean picture."""


@dataclass(frozen=True, eq=False)
class Case:
    """One picture and the class asked about.

    `pixels` (c, h, w) in [0, 1], as the network takes them; `label` its true class, or the class that
    the regions belong to; `annotation` the regions of that class, in the frame of the picture as it
    was read; `window` which part of it the pixels show; `name` stands in records and never names a
    patient; `flags` are words such as `difficult` or `outside-top-5` by which results are reported apart.
    """

    name: str
    pixels: Floats
    label: int | None = None
    annotation: Annotation | None = None
    window: Window | None = None
    flags: tuple[str, ...] = ()


class Ask(Protocol):
    """Explains pictures (c, h, w) towards targets, one answer each, by the subject's method or the one named.

    `model` stands in for the subject's, for example one with some weights drawn anew; a method's name
    goes with its own knobs, and without `knobs` it has its defaults.
    """

    def __call__(
        self,
        pixels: Sequence[Floats],
        targets: Sequence[int],
        *,
        method: str | None = None,
        knobs: Mapping[str, Any] | None = None,
        model: Classifier | None = None,
    ) -> list[Answer]: ...


@dataclass(frozen=True, eq=False)
class Subject:
    """Who is measured: a model (lent: eval mode, frozen), and for most metrics a method.

    `mean` is the data set's mean picture, for metrics that need it.  Whatever a metric draws at
    random comes from `seed` and the case's name.
    """

    model: Classifier
    ask: Ask
    method: str | None = None
    seed: int = 0
    mean: Floats | None = None


@dataclass(frozen=True)
class Reading:
    """What a metric found on one case.

    `value` None where there is none (`note` says why, in words); `numbers` further figures;
    `curves` raw series; `group` a class name, for metrics that average over classes; `censored`
    where the true value is at least the one given; `units` passes spent besides `ask`.
    """

    value: float | None
    numbers: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    group: str = ""
    note: str = ""
    censored: bool = False
    units: float = 0.0


@dataclass(frozen=True)
class Summary:
    """A metric's figure over all cases, with its standard error and 95 % interval; `n` readings that count.

    `not_found` counts readings without a value and censored ones; `numbers` and `curves` are further
    figures, such as the accuracy, a chosen threshold or the mean curve; the first curve is the x
    of those that follow with the same length.
    """

    value: float | None
    standard_error: float | None
    interval: tuple[float, float] | None
    n: int
    not_found: int = 0
    numbers: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


class Measure(Protocol):
    """Readings of cases, in their order; the caller hands in a few cases at a time."""

    def __call__(self, subject: Subject, cases: Sequence[Case], params: Any) -> Iterator[Reading]: ...


class Summarise(Protocol):
    """Sums up; `tuning` are the readings of the split on which thresholds may be chosen, empty for most."""

    def __call__(self, readings: Sequence[Reading], tuning: Sequence[Reading], params: Any, seed: int) -> Summary: ...


class Fit(Protocol):
    """Parameters with whatever is chosen on a split of its own filled in, from the cases of that split."""

    def __call__(self, subject: Subject, cases: Sequence[Case], params: Any) -> Params: ...


def applies_to_all(_: Classifier) -> str | None:
    return None


@dataclass(frozen=True)
class Metric:
    """A row of METRICS: everything that the page, the command line and the docs need to know.

    `of` says whether a method's explanations or the model itself is measured; `tunes` whether a
    threshold is chosen on a split of its own: by `summarise`, from that split's readings, or, where it
    has to be known before anything is measured, by `fit`; `chunk` how many cases to hand in at once; `cost` the
    passes per case besides explaining it; `cannot` why it does not apply to a model, or None;
    `version` rises whenever its numbers change; `prepared` where the subject's model may be a prepared one
    (models/prepared.py), because layers are neither read nor changed.
    """

    name: str
    title: str
    summary: str
    citation: str
    of: Literal["method", "model"]
    better: Literal["higher", "lower", "neither"]
    measure: Measure
    summarise: Summarise
    params: type[Params]
    cost: Callable[[Any], float]
    needs: frozenset[Need] = frozenset()
    tunes: bool = False
    fit: Fit | None = None
    chunk: int = 8
    version: int = 1
    cannot: Callable[[Classifier], str | None] = applies_to_all
    prepared: bool = False
