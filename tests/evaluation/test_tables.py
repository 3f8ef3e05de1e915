"""Result files as tables: figures by hand."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from explain_core.evaluation import tables


def arm(row: str, column: str, values: list[float | None], **more: Any) -> dict[str, Any]:
    """An arm whose figure is the mean of these values."""
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known)
    return {
        "name": "deletion",
        "metric": "deletion",
        "method": row,
        "model": "demo",
        "row": row,
        "at": None,
        "value": mean,
        "standard_error": 0.5,
        "interval": [mean - 1, mean + 1],
        "n": len(known),
        "not_found": len(values) - len(known),
        "columns": {column: mean},
        "curves": {},
        "units": 2.0,
        "per_image": [
            {"name": f"picture {i}", "value": value, "numbers": {}, "group": "", "flags": [], "censored": False,
             "note": ""}
            for i, value in enumerate(values)
        ],
        **more,
    }  # fmt: skip


def test_arms_of_one_row_share_it() -> None:
    found = tables.table([arm("gradcam", "deletion", [1.0, 2.0]), arm("gradcam", "insertion", [3.0, None])])
    (row,) = found
    assert row["deletion"] == 1.5
    assert row["insertion"] == 3.0
    assert row["not found"] == 1
    assert row["passes a picture"] == 4.0
    assert row["95 % of deletion"] == "0.5 – 2.5"
    assert list(row)[-4:] == ["pictures", "not found", "passes a picture", "model"]


def test_a_row_of_two_models_is_told_apart() -> None:
    found = tables.table([arm("gradcam", "deletion", [1.0]), arm("gradcam", "deletion", [2.0], model="demo-shortcut")])
    assert [row["row"] for row in found] == ["gradcam · demo", "gradcam · demo-shortcut"]


def test_differences_are_paired_by_picture() -> None:
    first, second = arm("gradcam", "deletion", [1.0, 2.0, 3.0]), arm("gradcam", "deletion", [2.0, 3.0, 7.0])
    (line,) = tables.differences([first], [second])
    assert line["difference"] == pytest.approx(2.0)
    # differences 1, 1, 4: variance 3, so √(3 / 3)
    assert line["standard error of the difference"] == pytest.approx(1.0)


def test_what_only_one_run_holds_is_left_out() -> None:
    assert tables.differences([arm("gradcam", "deletion", [1.0])], [arm("rise", "deletion", [1.0])]) == []


def test_published_numbers_stand_beside_their_row_and_column() -> None:
    found = tables.cells([arm("gradcam", "deletion", [0.2], name="pb-table-2")])
    assert [cell.published for cell in found] == [0.11]


def test_a_sweep_is_a_line_over_its_places() -> None:
    arms = [arm("perceptual-ball", "deletion", [value], at=at) for at, value in ((5.0, 0.2), (0.0, 0.1))]
    assert tables.lines(arms).curves == {"perceptual-ball, deletion": ([0.0, 5.0], [0.1, 0.2])}


def test_the_first_curve_is_the_x_of_the_others() -> None:
    curves = {"share": (0.0, 1.0), "score": (1.0, 0.0), "layers": (1.0, 2.0, 3.0)}
    found = tables.lines([arm("gradcam", "deletion", [1.0], curves=curves)])
    assert found.curves == {"gradcam": ((0.0, 1.0), (1.0, 0.0))}
    assert (found.x, found.y) == ("share", "score")


def test_curves_of_two_metrics_are_told_apart() -> None:
    curves = {"r": (0.0, 1.0), "accuracy": (1.0, 0.0)}
    arms = [arm("demo", name, [1.0], curves=curves, metric=name) for name in ("attack-ara", "btr-ara")]
    assert list(tables.lines(arms).curves) == ["demo, attack-ara", "demo, btr-ara"]


def test_csv_holds_every_column() -> None:
    rows = list(csv.DictReader(io.StringIO(tables.as_csv([{"a": 1}, {"a": 2, "b": "ρ, π"}]))))
    assert rows == [{"a": "1", "b": ""}, {"a": "2", "b": "ρ, π"}]


def test_each_picture_has_its_line() -> None:
    found = tables.per_picture([arm("gradcam", "deletion", [1.0, None])])
    assert [line["value"] for line in found] == [1.0, None]
