"""A row against the others: differences known by hand."""

from __future__ import annotations

from typing import Any

import pytest

from explain_core.errors import ParamError
from explain_core.evaluation.against import against


def arm(
    row: str, values: dict[str, float | None], model: str = "m", column: str = "all", **numbers: float
) -> dict[str, Any]:
    entries = [{"name": name, "value": value, "numbers": numbers} for name, value in values.items()]
    return {"row": row, "metric": "deletion", "model": model, "columns": {column: None}, "per_image": entries}


def test_pictures_are_paired_and_missing_ones_left_out() -> None:
    arms = [
        arm("ours", {"a": 0.1, "b": 0.2, "c": 0.9, "d": None}, l0=0.5),
        arm("theirs", {"b": 0.5, "a": 0.2, "c": None, "d": 0.1}, l0=0.75),
        arm("theirs", {"a": 9.0, "b": 9.0}, model="another"),
        arm("theirs", {"a": 9.0, "b": 9.0}, column="all, enlarged"),
    ]
    value, area = against(arms, "ours")
    assert (value["row"], value["column"], value["figure"], value["pictures"]) == ("theirs", "all", "value", 2)
    assert value["difference"] == pytest.approx((0.1 + 0.3) / 2)
    assert value["standard error"] == pytest.approx(0.1)
    assert value["low"] == pytest.approx(0.1)
    assert value["high"] == pytest.approx(0.3)
    assert (area["figure"], area["difference"], area["standard error"]) == ("l0", 0.25, 0.0)


def test_rows_that_are_models_are_compared() -> None:
    arms = [arm("one", {"a": 0.1, "b": 0.2}, "one"), arm("two", {"a": 0.3, "b": 0.6}, "two"), arm("ours", {"a": 1.0})]
    (line,) = against(arms, "one")
    assert (line["row"], line["difference"]) == ("two", pytest.approx(0.3))


def test_a_row_alone() -> None:
    with pytest.raises(ParamError, match="nothing to set against it"):
        against([arm("ours", {"a": 1.0, "b": 2.0}), arm("theirs", {"a": 1.0, "b": 2.0}, "another")], "ours")


def test_a_row_that_is_not_there() -> None:
    with pytest.raises(ParamError, match=r"No row 'our'.*did you mean 'ours'"):
        against([arm("ours", {"a": 1.0})], "our")
