"""What a protocol is: a table or figure of a paper, as arms that are all run over the same cases.

An arm is one metric on one method (or on the model alone) with fixed knobs; it fills one row of the
table, in one column or several.  Protocols say what to run; `evaluation` runs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from typing import Protocol as Interface

from explain_core.params import Params

VALUE = "the metric's value"
"""What a column shows when it shows a metric's own figure, which no name of its numbers may hide."""


@dataclass(frozen=True)
class Arm:
    """A row of a table, or a point of a curve; an empty `row` stands for the model's name.

    `columns` maps a column's title to VALUE, or to the name of one of the summary's numbers;
    `scale` enlarges the pictures (bilinear) before they are explained, and brings the maps back;
    `blur` is the σ, in pixels, of a Gaussian blur of the maps, which arms that differ in nothing else
    share a solution under; `at` is the place on a figure's x axis.
    """

    row: str
    metric: str
    metric_knobs: Mapping[str, Any] = field(default_factory=dict)
    method: str | None = None
    method_knobs: Mapping[str, Any] = field(default_factory=dict)
    rho: float | None = None
    columns: Mapping[str, str] = field(default_factory=lambda: {"value": VALUE})
    scale: float = 1.0
    blur: float = 0.0
    at: float | None = None

    def with_more(self, method_knobs: Mapping[str, Any], rho: float | None) -> Arm:
        """The same with further settings of its method, and with a ρ where it has none of its own."""
        knobs = {**self.method_knobs, **method_knobs}
        return replace(self, method_knobs=knobs, rho=self.rho if rho is None else rho)


@dataclass(frozen=True)
class Mark:
    """A published number, drawn as a reference beside ours; never taken for a result."""

    row: str
    column: str
    value: float


def marks(columns: Sequence[str], rows: Mapping[str, Sequence[float]]) -> tuple[Mark, ...]:
    """A published table, row by row."""
    return tuple(
        Mark(row, column, value) for row, values in rows.items() for column, value in zip(columns, values, strict=True)
    )


@dataclass(frozen=True)
class NoParams(Params):
    """A protocol without settings of its own."""


class Arms(Interface):
    """The arms of a protocol for the methods asked, in the order of the table."""

    def __call__(self, methods: Sequence[str], params: Any) -> Sequence[Arm]: ...


@dataclass(frozen=True)
class Protocol:
    """A row of PROTOCOLS.

    `methods` are those of the paper; `data` a spec of the kind of data that it needs, and `n` how
    many of its pictures the paper takes; `tuning` the share of them on which thresholds are chosen;
    `setting` says in words what was published, with which network, so that marks are not misread.
    """

    name: str
    title: str
    summary: str
    citation: str
    params: type[Params]
    arms: Arms
    data: str
    n: int
    setting: str
    methods: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    tuning: float = 0.0
    figure: Literal["bars", "curves"] = "bars"
    axis: str = ""
