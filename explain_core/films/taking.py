"""Annotations of public data sets, given to the films that they belong to: by the pixels, since names are gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from explain_core.data.images import SUFFIXES, read_picture
from explain_core.data.marked import Marked, marked_record, on_film
from explain_core.data.readers import Marks
from explain_core.dicom.decode import Decoder
from explain_core.errors import DataError, ImageError, InputError
from explain_core.films.importing import DICOM_ENDINGS, files_in
from explain_core.films.pictures import stored_greys
from explain_core.films.record import Record, pixel_hash, whole_records

ANY_KEY = bytes(32)
"""Identifiers that are made with it are thrown away."""


@dataclass(frozen=True)
class Taken:
    """What a film was given; `film` is empty where it is not among those that were imported, and a note says so."""

    marks: Marks
    film: str = ""

    def as_dict(self) -> dict[str, Any]:
        """A line for JSON, as `data.marked.read_marked` takes it."""
        regions = [marked_record(one) for one in self.marks.regions]
        told = {"picture": self.marks.picture, "film": self.film, "size": self.marks.size, "regions": regions}
        return {**told, "notes": list(self.marks.notes)}


def take(marks: Sequence[Marks], pictures: Path, films: Path, decoder: Decoder) -> Iterator[Taken]:
    """Looks for each picture below `pictures`, decodes it and finds the film with just its pixels.

    A region that lies off its film is left out, with a note.  Raises InputError for what is no folder.
    """
    by_pixels = {record.sha256: record for record in _all(films)}
    named = defaultdict(list)
    for path in files_in(pictures):
        named[path.stem].append(path)
        named[path.stem.partition("_")[0]].append(path)
    for one in marks:
        yield _taken(one, [one.file] if one.file else named.get(one.picture, []), by_pixels, decoder)


def _all(films: Path) -> Iterator[Record]:
    yield from whole_records(films)
    yield from whole_records(films, quarantined=True)


def _taken(marks: Marks, paths: Sequence[Path], films: dict[str, Record], decoder: Decoder) -> Taken:
    notes = [] if paths else ["no picture of this name is there"]
    for path in paths:
        try:
            record = films.get(pixels_of(path, decoder))
        except (ImageError, DataError) as error:
            notes.append(str(error))
            continue
        if record is not None:
            return Taken(_fitting(marks, record), record.film)
        notes.append("the picture was not imported")
    return Taken(replace(marks, notes=(*marks.notes, *dict.fromkeys(notes))))


def pixels_of(path: Path, decoder: Decoder) -> str:
    """The SHA-256 of a film's stored values, as `Record` has it; raises ImageError."""
    if path.suffix.lower() in SUFFIXES:
        return pixel_hash(stored_greys(read_picture(path).pixels[0])[0])
    if path.suffix.lower() in DICOM_ENDINGS:
        return pixel_hash(decoder.cleaned(path, ANY_KEY).film.stored)
    raise DataError("The file is no picture and no DICOM file.")


def _fitting(marks: Marks, record: Record) -> Marks:
    if marks.size is not None and marks.size != record.size:
        sizes = [f"{width} × {height}" for height, width in (marks.size, record.size)]
        told = f"the annotations are of {sizes[0]} pixels, the film has {sizes[1]}: none is taken"
        return replace(marks, regions=(), notes=(*marks.notes, told))
    kept = tuple(one for one in marks.regions if _lies_on(one, record))
    off = len(marks.regions) - len(kept)
    notes = (f"{off} regions lie off the film and are left out",) if off else ()
    return replace(marks, regions=kept, notes=(*marks.notes, *notes))


def _lies_on(one: Marked, record: Record) -> bool:
    try:
        on_film(one.shape, record.size)
    except InputError:
        return False
    return True
