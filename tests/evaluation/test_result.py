"""A column shows what it names: the metric's own figure, or one of its numbers, even where these share a name."""

from __future__ import annotations

from explain_core.evaluation.result import column
from explain_core.metrics.base import Summary
from explain_core.protocols.base import VALUE


def test_a_number_called_value_hides_no_figure() -> None:
    summary = Summary(0.4, None, None, 5, numbers={"value": 0.6, "best": 0.3})
    assert [column(summary, name) for name in (VALUE, "value", "best", "absent")] == [0.4, 0.6, 0.3, None]
