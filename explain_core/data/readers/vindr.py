"""VinDr-Mammo: finding_annotations.csv, a box for each finding.  Corners are taken as positions, not as pixels."""

from __future__ import annotations

import ast
from pathlib import Path

from explain_core.data.marked import Marked
from explain_core.data.readers.base import Marks, Reader, grouped, in_data, marked
from explain_core.data.sources.files import Row, read_table
from explain_core.errors import DataError
from explain_core.shapes import Box

CORNERS = ("xmin", "ymin", "xmax", "ymax")
NEEDED = ("image_id", "height", "width", "finding_categories", "finding_birads", *CORNERS)
NOTHING = "No Finding"
KINDS = {
    "Mass": "mass", "Suspicious Calcification": "calcification", "Architectural Distortion": "distortion",
    "Asymmetry": "asymmetry", "Focal Asymmetry": "focal asymmetry",
}  # fmt: skip
LONGEST = 1000


def read(path: Path) -> list[Marks]:
    """Every film that is listed, those without findings without regions; raises DataError."""
    rows = read_table(path, NEEDED)
    if not rows:
        raise DataError(f"{path.name} has no rows: give finding_annotations.csv.")
    return grouped([(row["image_id"], _size(row), _regions(row)) for row in rows])


def _size(row: Row) -> tuple[int, int]:
    try:
        height, width = int(row["height"]), int(row["width"])
    except ValueError:
        height = width = 0
    if not (0 < height <= 100_000 and 0 < width <= 100_000):
        raise DataError(
            f"Film {row['image_id']!r} has {row['width'][:20]} × {row['height'][:20]} pixels; whole numbers."
        )
    return height, width


def _regions(row: Row) -> list[Marked]:
    kinds = _categories(row)
    if kinds == [NOTHING] or not any(row[corner] for corner in CORNERS):
        return []
    try:
        corners = [float(row[corner]) for corner in CORNERS]
    except ValueError:
        raise DataError(f"Film {row['image_id']!r}: {', '.join(CORNERS)} must be numbers, or all be empty.") from None
    name = ", ".join([*kinds, *([row["finding_birads"]] if row["finding_birads"] else [])])
    code = KINDS.get(kinds[0], "") if len(kinds) == 1 else ""
    with in_data(f"Film {row['image_id']!r}"):
        return [marked(Box(*corners), name, code)]


def _categories(row: Row) -> list[str]:
    """The names of a cell such as ['Mass', 'Skin Retraction'].  It is read as a literal; nothing is evaluated."""
    text = row["finding_categories"]
    try:
        found = ast.literal_eval(text) if len(text) <= LONGEST else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        found = None
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise DataError(f"Film {row['image_id']!r} has findings {text[:60]!r}; a list of names is needed.")
    return found


READER = Reader("vindr", "VinDr-Mammo", "finding_annotations.csv", tried=False, read=read)
