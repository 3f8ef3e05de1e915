"""`inbreast:DIR`: the mammograms of INbreast, with outlines."""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import numpy as np
from numpy.typing import NDArray

from explain_core.data.annotation import Annotation, Bits, Region, union
from explain_core.data.sources.base import DataSet, Item
from explain_core.data.sources.dicom import FILMS, film_at, film_size
from explain_core.data.sources.files import Row, bytes_of, folder_at, read_table, some
from explain_core.data.sources.polygons import fill
from explain_core.errors import DataError

CLASSES = ("normal", "benign", "malignant")
GRADES = {"1": 0, "2": 1, "3": 1, "4": 2, "5": 2, "6": 2}
"""BI-RADS as an index into CLASSES, as most papers take it: no biopsy is given."""
POINT = re.compile(r"\(\s*([-+\d.eE]+)\s*,\s*([-+\d.eE]+)\s*\)")
ANATOMY = ("pectoral", "nipple")


def read_inbreast(spec: str, argument: str) -> DataSet:
    """The films of INbreast.csv (semicolons), AllDICOMs/NUMBER_PATIENT_….dcm and AllXML/NUMBER.xml.

    BI-RADS 1 is normal, 2 and 3 benign, 4 to 6 malignant; every finding of a film has the film's class.
    Each mass is a region; what is marked in single points (calcifications) is one region together.
    Raises DataError.
    """
    folder = folder_at(spec, argument)
    table = folder / "INbreast.csv"
    if not table.is_file():
        raise DataError(f"{spec} has no INbreast.csv; give the folder that holds it, AllDICOMs and AllXML.")
    rows = read_table(table, ("File Name", "Bi-Rads"), delimiter=";")
    films: dict[str, Path] = {}
    for path in sorted((folder / "AllDICOMs").glob("*"), key=lambda path: (path.suffix.lower() != FILMS[0], path)):
        if path.suffix.lower() in FILMS:
            films.setdefault(path.stem.partition("_")[0], path)
    return DataSet(
        spec,
        some(spec, (_item(folder, row, films) for row in rows if row["File Name"]), "films"),
        CLASSES,
        citation="Moreira et al., INbreast: toward a full-field digital mammographic database, 2012.",
        terms="Research only, by agreement with the authors.",
        mapping="films",
    )


def _item(folder: Path, row: Row, films: Mapping[str, Path]) -> Item:
    number, grade = row["File Name"], row["Bi-Rads"][:1]
    if grade not in GRADES:
        raise DataError(f"INbreast.csv: film {number} has BI-RADS {row['Bi-Rads']!r}; it is 1 to 6.")
    path = films.get(number, folder / "AllDICOMs" / f"{number}{FILMS[0]}")
    parts = path.stem.split("_")
    return Item(
        name=number,
        load=partial(film_at, path),
        label=GRADES[grade],
        marks=partial(_marks, path, folder / "AllXML" / f"{number}.xml", CLASSES[GRADES[grade]]),
        patient=parts[1] if len(parts) > 1 else None,
        flags=(f"bi-rads-{row['Bi-Rads']}",),
        size=bytes_of(path),
    )


def _marks(film: Path, path: Path, name: str) -> Annotation:
    """What the XML marks; films without findings have none, and on normal films nothing counts."""
    size = film_size(film)
    if name == CLASSES[0] or not path.is_file():
        return Annotation(size)
    outlines = list(outlines_of(path.read_bytes(), path.name))
    masks = [fill(points, size) for points in outlines if len(points) > 2]
    spots = [points for points in outlines if len(points) <= 2]
    if spots:
        masks.append(_dots(np.concatenate(spots), size))
    return Annotation(size, tuple(Region(name, mask) for mask in masks if mask.any()))


def _dots(points: NDArray[np.float64], size: tuple[int, int]) -> Bits:
    dots = union((), size)
    columns, rows = np.rint(points).astype(np.int64).T
    inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    dots[rows[inside], columns[inside]] = True
    return dots


def outlines_of(data: bytes, name: str) -> Iterator[NDArray[np.float64]]:
    """The points (n, 2), x and y in pixels, of every finding in a property list; raises DataError."""
    return (points for _, points in findings_of(data, name))


def findings_of(data: bytes, name: str) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """What each finding of a property list is called, and its points (n, 2), x and y in pixels; raises DataError.

    plistlib accepts no entities, so the document type that these files declare does no harm.
    """
    try:
        regions: list[Mapping[str, Any]] = [
            region for image in plistlib.loads(data, fmt=plistlib.FMT_XML)["Images"] for region in image["ROIs"]
        ]
        for region in regions:
            kind = str(region.get("Name", ""))
            if kind.lower().startswith(ANATOMY):
                continue
            points = np.array([_point(text) for text in region["Point_px"]], dtype=np.float64).reshape(-1, 2)
            if len(points):
                yield kind, points
    except (plistlib.InvalidFileException, ExpatError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise DataError(f"{name} is no outline file of INbreast ({type(error).__name__}); download it again.") from None


def _point(text: str) -> tuple[float, float]:
    found = POINT.fullmatch(text.strip())
    if not found:
        raise ValueError(text)
    x, y = float(found[1]), float(found[2])
    if not (abs(x) < 1e6 and abs(y) < 1e6):
        raise ValueError(text)
    return x, y
