"""`cbis:DIR`: the mammograms of CBIS-DDSM, with masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

from explain_core.data.annotation import Annotation, Region
from explain_core.data.images import Picture
from explain_core.data.sources.base import DataSet, Item
from explain_core.data.sources.dicom import FILMS, film_at, film_mask, film_size
from explain_core.data.sources.files import Row, beneath, bytes_of, folder_at, read_table, some
from explain_core.errors import DataError

CLASSES = ("benign", "malignant")
FILM, ROI, CROP = "image file path", "ROI mask file path", "cropped image file path"
NEEDED = ("patient_id", "abnormality type", "pathology", FILM, ROI, CROP)


def read_cbis(spec: str, argument: str) -> DataSet:
    """The films of every *case_description*.csv in DIR; labels benign and malignant, the worst of a film's findings.

    Paths in the tables lead from DIR or DIR/CBIS-DDSM.  The archive delivers files under other names than
    its tables say, and masks and crops in each other's place; so a path may also stand for the files under
    its first folder, and the mask is whichever has the film's size.  DICOM, or PNG of the same name.
    Raises DataError.
    """
    folder = folder_at(spec, argument)
    tables = sorted(folder.glob("*case_description*.csv"))
    rows = sorted((row for table in tables for row in read_table(table, NEEDED)), key=lambda row: row[FILM])
    if not rows:
        raise DataError(f"{spec} holds no rows of *case_description*.csv; put the data set's tables there.")
    base = folder / "CBIS-DDSM" if (folder / "CBIS-DDSM").is_dir() else folder
    films = (list(group) for _, group in groupby(rows, key=lambda row: row[FILM]))
    return DataSet(
        spec,
        some(spec, (_item(base, film) for film in films), "films"),
        CLASSES,
        citation="Lee et al., A curated mammography data set for computer-aided detection and diagnosis, 2017.",
        terms="CC BY 3.0.",
        mapping="films",
    )


def _item(base: Path, rows: Sequence[Row]) -> Item:
    first = rows[0]
    found = next(candidates(base, first[FILM]), None)
    return Item(
        name=series_of(first[FILM]),
        load=partial(_film, found, first),
        label=max(_severity(row) for row in rows),
        marks=partial(_marks, base, found, rows),
        patient=first["patient_id"],
        flags=tuple(dict.fromkeys(row["abnormality type"] for row in rows)),
        size=bytes_of(found) if found else 0,
    )


def _severity(row: Row) -> int:
    """An index into CLASSES; BENIGN_WITHOUT_CALLBACK is benign."""
    known = {"MALIGNANT": 1, "BENIGN": 0, "BENIGN_WITHOUT_CALLBACK": 0}
    if row["pathology"] not in known:
        raise DataError(f"{series_of(row[FILM])} has the pathology {row['pathology']!r}; it is {', '.join(known)}.")
    return known[row["pathology"]]


def _film(found: Path | None, row: Row) -> Picture:
    return film_at(_there(found, row))


def _there(found: Path | None, row: Row) -> Path:
    if found is None:
        raise DataError(f"No film is under {series_of(row[FILM])}; download it again.")
    return found


def _marks(base: Path, found: Path | None, rows: Sequence[Row]) -> Annotation:
    size = film_size(_there(found, rows[0]))
    return Annotation(size, tuple(_region(base, row, size) for row in rows))


def _region(base: Path, row: Row, size: tuple[int, int]) -> Region:
    for path in (path for column in (ROI, CROP) for path in candidates(base, row[column])):
        if film_size(path) == size:
            return Region(CLASSES[_severity(row)], film_mask(path))
    raise DataError(f"No mask of the film's size is under {series_of(row[ROI])}; download it again.")


def series_of(path: str) -> str:
    return path.partition("/")[0]


def candidates(base: Path, relative: str) -> Iterator[Path]:
    """Files that a path of the tables may stand for, the likeliest first."""
    path = beneath(base, relative)
    named = [path, *(path.with_suffix(suffix) for suffix in FILMS[1:])]
    below = sorted(path for path in beneath(base, series_of(relative)).rglob("*") if path.suffix.lower() in FILMS)
    yield from dict.fromkeys(path for path in (*named, *below) if path.is_file())
