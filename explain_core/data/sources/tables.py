"""`csv:FILE`: a table of pictures with labels, and boxes or masks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from math import isfinite
from pathlib import Path

from explain_core.data.annotation import Annotation, Box, Region
from explain_core.data.images import read_picture
from explain_core.data.sources.base import DataSet, Item, Label
from explain_core.data.sources.files import (
    Row,
    beneath,
    bytes_of,
    file_at,
    hidden,
    mask_at,
    read_table,
    size_of,
    some,
)
from explain_core.errors import DataError

CORNERS = ("x0", "y0", "x1", "y1")


def read_csv(spec: str, argument: str) -> DataSet:
    """Columns file, label, and optionally x0, y0, x1, y1 or mask, patient, and name; raises DataError.

    Paths are relative to the table and stay in its folder.  Labels are all whole numbers (the model's
    indices) or all class names; a picture may have several rows, one for each object.  Corners are pixels,
    edges included, the first pixel at 0.  Without a name, a picture is called by a hash of its path.
    """
    path = file_at(spec, argument)
    rows = sorted(read_table(path, ("file", "label")), key=lambda row: row["file"])
    numbered = all(_is_index(row["label"]) for row in rows if row["label"])
    groups = (list(group) for _, group in groupby(rows, key=lambda row: row["file"]))
    items = some(spec, (_item(path.parent, group, numbered) for group in groups), "rows below its header")
    names = sorted({row["label"] for row in rows if row["label"]})
    return DataSet(spec, items, None if numbered else tuple(names))


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _item(folder: Path, rows: Sequence[Row], numbered: bool) -> Item:
    """The item of one picture's rows."""
    first = rows[0]
    path = beneath(folder, first["file"])
    for row in rows:
        _check(row)
        if row.get("mask"):
            beneath(folder, row["mask"])
    labels = {row["label"] for row in rows}
    if len({(row.get("patient"), row.get("name")) for row in rows}) > 1:
        raise DataError(f"{first['file']!r} has rows with different patients or names; give it one.")
    if len(labels) > 1 and "" in labels:
        raise DataError(f"{first['file']!r} has rows with and without a label; give every object one.")
    label: Label | None = None
    if len(labels) == 1 and first["label"]:
        label = int(first["label"]) if numbered else first["label"]
    marked = any(_is_marked(row) for row in rows)
    return Item(
        name=first.get("name") or hidden(first["file"]),
        load=partial(read_picture, path),
        label=label,
        marks=partial(_marks, folder, path, rows) if marked or len(labels) > 1 else None,
        patient=first.get("patient") or None,
        size=bytes_of(path),
    )


def _is_marked(row: Row) -> bool:
    return bool(row.get("mask") or row.get("x0"))


def _check(row: Row) -> None:
    given = [row.get(corner, "") for corner in CORNERS]
    if row.get("mask") and any(given):
        raise DataError(f"{row['file']!r} has a box and a mask in one row; give each a row.")
    if any(given):
        _box(row)


def _box(row: Row) -> Box:
    try:
        x0, y0, x1, y1 = (float(row.get(corner, "")) for corner in CORNERS)
    except ValueError:
        raise DataError(f"{row['file']!r}: x0, y0, x1 and y1 must all be numbers, or all be empty.") from None
    if not all(map(isfinite, (x0, y0, x1, y1))) or x1 < x0 or y1 < y0:
        raise DataError(f"{row['file']!r}: the box runs from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g}); x0 ≤ x1, y0 ≤ y1.")
    return Box(y0, x0, y1, x1)


def _marks(folder: Path, path: Path, rows: Sequence[Row]) -> Annotation:
    size = size_of(path)
    return Annotation(size, tuple(_region(folder, row, size) for row in rows if _is_marked(row)))


def _region(folder: Path, row: Row, size: tuple[int, int]) -> Region:
    if not row.get("mask"):
        return Region(row["label"], _box(row))
    mask = mask_at(beneath(folder, row["mask"]))
    if mask.shape != size:
        raise DataError(f"The mask has {mask.shape} pixels and the picture {size}; both need the same size.")
    return Region(row["label"], mask)
