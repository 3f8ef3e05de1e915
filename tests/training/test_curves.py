"""Curves out of a run's folder, whatever stands in the file."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain_core.training import curves
from explain_core.training.curves import Series

LINES = [
    {"step": 20, "epoch": 0, "cross-entropy": 2.0, "accuracy": 0.25, "images per second": 50},
    {"step": 30, "epoch": 0, "cross-entropy": 1.0, "accuracy": 0.5, "images per second": 75.0},
    {"step": 30, "epoch": 1, "validation accuracy": 0.4, "validation loss": 1.5},
]


def written(folder: Path, *lines: Any) -> Path:
    (folder / curves.FILE).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


def test_every_name_is_a_series(tmp_path: Path) -> None:
    found = curves.read_curves(written(tmp_path, *LINES))
    assert found["cross-entropy"] == Series((20, 30), (0, 0), (2.0, 1.0))
    assert found["validation accuracy"] == Series((30,), (1,), (0.4,))
    assert curves.latest(found) == {
        "cross-entropy": 1.0, "accuracy": 0.5, "images per second": 75.0, "validation accuracy": 0.4,
        "validation loss": 1.5,
    }  # fmt: skip
    assert curves.pace(found) == 75


def test_a_folder_without_curves_has_none(tmp_path: Path) -> None:
    assert curves.read_curves(tmp_path) == {}
    assert curves.read_curves(tmp_path / "nowhere") == {}
    assert curves.pace({}) is None


def test_a_line_that_is_being_written_is_left_for_the_next_look(tmp_path: Path) -> None:
    written(tmp_path, *LINES[:1])
    with (tmp_path / curves.FILE).open("a") as file:
        file.write('{"step": 30, "epoch": 0, "cross-en')
    assert curves.read_curves(tmp_path)["cross-entropy"].steps == (20,)


def test_of_a_step_told_twice_the_later_value_counts(tmp_path: Path) -> None:
    again = {"step": 20, "epoch": 0, "cross-entropy": 1.75}
    assert curves.read_curves(written(tmp_path, *LINES, again))["cross-entropy"].values == (1.75, 1.0)


@pytest.mark.parametrize("value", [None, "1", True, float("nan"), float("inf"), 10**400, [1]])
def test_what_is_no_finite_number_is_left_out(tmp_path: Path, value: Any) -> None:
    written(tmp_path, {"step": 1, "epoch": 0, "loss": value, "rate": 0.5}, {"step": value, "epoch": 0, "loss": 1.0})
    assert set(curves.read_curves(tmp_path)) == {"rate"}


@given(st.binary(max_size=200))
def test_any_bytes_are_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / curves.FILE).write_bytes(content)
    assert isinstance(curves.read_curves(folder), dict)


def test_curves_are_sorted_into_figures(tmp_path: Path) -> None:
    found = curves.read_curves(written(tmp_path, *LINES))
    assert curves.figures([found, {"lipschitz": found["accuracy"], "ψ": found["accuracy"]}]) == {
        "Loss": ("cross-entropy", "validation loss", "lipschitz"),
        "Accuracy": ("accuracy", "validation accuracy"),
        "ψ, the Lipschitz term's weight": ("ψ",),
        "Images per second": ("images per second",),
    }
    assert curves.figures([]) == {}


def test_sizes_far_apart_want_a_logarithmic_axis() -> None:
    near, far, zero = (Series((1, 2), (0, 0), values) for values in ((1.0, 2.0), (1.0, 100.0), (0.0, 100.0)))
    assert not curves.wide([{"a": near}], ["a"])
    assert curves.wide([{"a": far}], ["a"])
    assert curves.wide([{"a": near}, {"b": far}], ["a", "b"])
    assert not curves.wide([{"a": near}, {"b": far}], ["a"])
    assert not curves.wide([{"a": zero}], ["a"])


def test_every_point_can_be_taken_away(tmp_path: Path) -> None:
    text = curves.as_csv({"a, b": curves.read_curves(written(tmp_path, *LINES))})
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 8
    assert rows[1] == {"run": "a, b", "curve": "cross-entropy", "step": "30", "epoch": "0", "value": "1.0"}
