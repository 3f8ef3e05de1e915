"""Result files as tables and lines: what the Benchmarks page draws and people export."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from explain_core.protocols import PROTOCOLS
from explain_core.protocols.base import Mark

Arm = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """One figure of a table; `error` is the standard error of a row's main figure, `published` a paper's number."""

    row: str
    column: str
    value: float | None
    error: float | None = None
    published: float | None = None
    at: float | None = None


def cells(arms: Sequence[Arm]) -> list[Cell]:
    """Every figure of a result, row by row, with the published number of the same place beside it."""
    names = _names(arms)
    found = []
    for arm in arms:
        marks = {mark.column: mark.value for mark in marks_of(arm["name"]) if mark.row == arm["row"]}
        for column, value in arm["columns"].items():
            error = arm["standard_error"] if value == arm["value"] else None
            found.append(Cell(names[arm["row"], arm["model"]], column, value, error, marks.get(column), arm["at"]))
    return found


def _names(arms: Sequence[Arm]) -> dict[tuple[str, str], str]:
    """What a row is called: its model stands behind it where two models share a row."""
    places = dict.fromkeys((arm["row"], arm["model"]) for arm in arms)
    shared = Counter(row for row, _ in places)
    return {(row, model): f"{row} · {model}" if shared[row] > 1 else row for row, model in places}


def marks_of(name: str) -> Sequence[Mark]:
    """The published numbers of a protocol; none for a metric."""
    return PROTOCOLS[name].marks if name in PROTOCOLS else ()


def table(arms: Sequence[Arm]) -> list[dict[str, Any]]:
    """A row for each row of the paper's table: figures, their uncertainty, pictures, and what was published."""
    names = _names(arms)
    figures: dict[str, dict[str, Any]] = {}
    remarks: dict[str, dict[str, Any]] = {}
    for arm in arms:
        name = names[arm["row"], arm["model"]]
        row, told = figures.setdefault(name, {"row": name}), remarks.setdefault(name, {})
        for cell in cells([arm]):
            row[cell.column] = cell.value
            if cell.error is not None:
                row[f"± {cell.column}"] = cell.error
                row[f"95 % of {cell.column}"] = "{:.4g} – {:.4g}".format(*arm["interval"])
            if cell.published is not None:
                row[f"{cell.column}, published"] = cell.published
        told |= {"pictures": arm["n"], "not found": told.get("not found", 0) + arm["not_found"]}
        told |= {"passes a picture": told.get("passes a picture", 0.0) + arm["units"], "model": arm["model"]}
    return [{**row, **remarks[name]} for name, row in figures.items()]


def differences(first: Sequence[Arm], second: Sequence[Arm]) -> list[dict[str, Any]]:
    """Figures that two results share, by row and column; where pictures are the same, paired.

    `difference` is second − first; `standard error` that of the mean paired difference, over the
    pictures that both have a value for.
    """
    others = {(arm["row"], arm["metric"]): arm for arm in second}
    found = []
    for arm in first:
        other = others.get((arm["row"], arm["metric"]))
        if other is None:
            continue
        for column, value in arm["columns"].items():
            theirs = other["columns"].get(column)
            if value is None or theirs is None:
                continue
            line = {"row": arm["row"], "column": column, "first": value, "second": theirs, "difference": theirs - value}
            paired = paired_error(arm, other) if value == arm["value"] else None
            found.append({**line, "standard error of the difference": paired})
    return found


def paired_error(first: Arm, second: Arm) -> float | None:
    """Standard error of the mean difference per picture; None with fewer than two shared pictures."""
    theirs = {entry["name"]: entry["value"] for entry in second["per_image"] if entry["value"] is not None}
    pairs = [
        theirs[entry["name"]] - entry["value"]
        for entry in first["per_image"]
        if entry["value"] is not None and entry["name"] in theirs
    ]
    if len(pairs) < 2:
        return None
    mean = sum(pairs) / len(pairs)
    variance = sum((pair - mean) ** 2 for pair in pairs) / (len(pairs) - 1)
    return float((variance / len(pairs)) ** 0.5)


@dataclass(frozen=True)
class Lines:
    """Curves (xs, ys) by label, and what their axes are; empty where they are of several kinds."""

    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    x: str = ""
    y: str = ""


def lines(arms: Sequence[Arm]) -> Lines:
    """The curves of a result.

    A metric's first curve is the x of those that follow with the same length; where a protocol
    sweeps a knob, each column is a curve over the arms' places.
    """
    swept = [arm for arm in arms if arm["at"] is not None]
    if swept:
        return _sweeps(swept)
    names, several = _names(arms), len({arm["metric"] for arm in arms}) > 1
    found, xs, ys = {}, set(), set()
    for arm in arms:
        (x, places), *others = [*arm["curves"].items()] or [("", ())]
        drawn = {name: values for name, values in others if len(values) == len(places)}
        label = names[arm["row"], arm["model"]] + (f", {arm['metric']}" if several else "")
        for name, values in drawn.items():
            found[f"{label}, {name}" if len(drawn) > 1 else label] = (places, values)
            xs.add(x)
            ys.add(name)
    return Lines(found, _only(xs), _only(ys))


def _only(names: Collection[str]) -> str:
    return next(iter(names)) if len(names) == 1 else ""


def _sweeps(arms: Sequence[Arm]) -> Lines:
    found: dict[str, tuple[list[float], list[float]]] = {}
    columns = {column for arm in arms for column in arm["columns"]}
    for arm in sorted(arms, key=lambda arm: arm["at"]):
        for column, value in arm["columns"].items():
            if value is not None:
                xs, ys = found.setdefault(f"{arm['method'] or arm['metric']}, {column}", ([], []))
                xs.append(arm["at"])
                ys.append(value)
    return Lines(found, "", _only(columns))


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV with a header; columns in the order in which they first appear."""
    listed = list(rows)
    names = list(dict.fromkeys(name for row in listed for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names)
    writer.writeheader()
    writer.writerows(listed)
    return buffer.getvalue()


def per_picture(arms: Sequence[Arm]) -> list[dict[str, Any]]:
    """A row for each arm and picture: value, numbers and remarks."""
    return [
        {
            "row": arm["row"],
            "model": arm["model"],
            "picture": entry["name"],
            "value": entry["value"],
            **entry["numbers"],
            "group": entry["group"],
            "flags": " ".join(entry["flags"]),
            "at least": entry["censored"],
            "note": entry["note"],
        }
        for arm in arms
        for entry in arm["per_image"]
    ]
