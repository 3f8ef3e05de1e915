"""CBIS-DDSM: a *case_description*.csv, whose masks lie beside it or in CBIS-DDSM; each mask becomes outlines."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from explain_core.data.marked import Marked
from explain_core.data.readers.base import Marks, Reader, in_data, marked, outlines
from explain_core.data.sources.cbis import CROP, FILM, NEEDED, ROI, candidates, series_of
from explain_core.data.sources.dicom import film_mask, film_size
from explain_core.data.sources.files import Row, read_table
from explain_core.errors import DataError, ImageError


def read(path: Path) -> list[Marks]:
    """Films whose masks are there; the others have a note.  Raises DataError for a table that is none."""
    rows = sorted(read_table(path, NEEDED), key=lambda row: row[FILM])
    if not rows:
        raise DataError(f"{path.name} has no rows: give a table of case descriptions.")
    base = path.parent / "CBIS-DDSM"
    found = groupby(rows, key=lambda row: row[FILM])
    return [_marks(base if base.is_dir() else path.parent, name, list(of)) for name, of in found]


def _marks(base: Path, name: str, rows: list[Row]) -> Marks:
    file = next(candidates(base, name), None)
    size = film_size(file) if file else None
    regions, notes = [], [] if file else ["the film is not there: the largest of what lies there is taken as the mask"]
    for number, row in enumerate(rows, 1):
        try:
            made, filled = _regions(base, row, size)
        except (DataError, ImageError) as error:
            notes.append(f"finding {number}: {error}")
            continue
        regions.extend(made)
        notes.extend([f"finding {number}: holes in its mask were filled"] if filled else [])
    return Marks(series_of(name), tuple(regions), size, file, tuple(notes))


def _regions(base: Path, row: Row, size: tuple[int, int] | None) -> tuple[list[Marked], bool]:
    found, filled = outlines(film_mask(_mask(base, row, size)))
    name = f"{row['abnormality type']} {row['pathology']}".lower()
    if not found:
        raise DataError("its mask is empty; download it again.")
    with in_data(series_of(row[ROI])):
        return [marked(one, name, row["abnormality type"]) for one in found], filled


def _mask(base: Path, row: Row, size: tuple[int, int] | None) -> Path:
    """The archive has masks and crops in each other's place: the mask is the one of the film's size."""
    there = [path for column in (ROI, CROP) for path in candidates(base, row[column])]
    fitting = [path for path in there if size in (None, film_size(path))]
    if not fitting:
        raise DataError(f"no mask of the film's size is under {series_of(row[ROI])}; download it again.")
    return max(fitting, key=lambda path: film_size(path)[0] * film_size(path)[1])


READER = Reader("cbis", "CBIS-DDSM", "a table of case descriptions, beside its masks", tried=False, read=read)
