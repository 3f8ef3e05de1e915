"""A folder of studies into the workspace: decoded, rid of patients, one broken file never in the way of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from explain_core.data.images import SUFFIXES
from explain_core.dicom.decode import Cleaned, Decoder
from explain_core.dicom.film import Facts
from explain_core.dicom.views import STANDARD
from explain_core.errors import DataError, ImageError, InputError
from explain_core.films.exams import Exam, exams
from explain_core.films.people import People
from explain_core.films.pictures import plain_film
from explain_core.films.pyramid import FilmRaster
from explain_core.films.record import CONFIRM, WHOSE, Record, pixel_hash, read, save, state_of, whole_records
from explain_core.films.side import chest_wall

DICOM_ENDINGS = frozenset({"", ".dcm", ".dicom", ".dic", ".ima", ".zip"})
CONTENTS = "DICOMDIR"
"""The table of contents that lies beside films on a disc."""
ACQUIRED = ("Digital Mammography X-Ray Image Storage", "Digital X-Ray Image Storage")
"""Classes whose pictures come from a detector; in others text burned in is common."""


@dataclass(frozen=True)
class Fault:
    """Why a file was not imported; `number` counts the files by name from 1: a name may be a patient's."""

    number: int
    kind: str
    text: str


@dataclass
class Imported:
    """What an import did.  `already` films that were there; `others` files of no kind that is read."""

    films: list[Record] = field(default_factory=list)
    already: int = 0
    others: int = 0
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    removed: Counter[str] = field(default_factory=Counter)
    exams: list[Exam] = field(default_factory=list)
    cancelled: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values, without anything of the original files but their numbers."""
        films = [
            {"film": film.film, "patient": film.patient, "exam": film.exam, "view": film.label, "state": film.state,
             "notes": film.notes} for film in self.films
        ]  # fmt: skip
        groups = [{"patient": exam.patient, "exam": exam.name, "notes": exam.notes()} for exam in self.exams]
        return {
            "films": films, "exams": groups, "already": self.already, "others": self.others, "notes": self.notes,
            "faults": [vars(fault) for fault in self.faults], "removed": dict(sorted(self.removed.items())),
            "cancelled": self.cancelled,
        }  # fmt: skip


def files_in(folder: Path) -> list[Path]:
    """Every file below, by name; hidden ones are left out.  Raises InputError for what is no folder."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give the one that holds the studies.")
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def import_folder(
    folder: Path,
    films: Path,
    key: bytes,
    decoder: Decoder,
    *,
    on_progress: Callable[[float], None] = lambda _: None,
    on_fault: Callable[[Fault, Path], None] = lambda _, __: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Imported:
    """Imports all films below `folder` into `films`; asked again, it goes on where it was.

    Raises InputError where one folder lies in the other, OutputError where `films` cannot be written.
    """
    if folder.resolve().is_relative_to(films.resolve()) or films.resolve().is_relative_to(folder.resolve()):
        raise InputError("The folder of studies and that of films lie in each other: choose another --out.")
    done, people, files = Imported(), People(films), files_in(folder)
    for number, path in enumerate(files, 1):
        if cancelled():
            done.cancelled = True
            break
        try:
            _import(path, folder, films, key, decoder, people, done)
        except (ImageError, DataError) as error:
            done.faults.append(Fault(number, type(error).__name__, str(error)))
            on_fault(done.faults[-1], path)
        on_progress(number / len(files))
    done.films = people.doubt(done.films, films)
    touched = {film.patient for film in done.films}
    done.exams = exams(film for film in (whole_records(films) if touched else ()) if film.patient in touched)
    done.notes = people.notes()
    return done


def _import(
    path: Path, folder: Path, films: Path, key: bytes, decoder: Decoder, people: People, done: Imported
) -> None:
    if path.suffix.lower() in SUFFIXES:
        plain = plain_film(path, folder, key)
        record, content = plain.record, plain.file
    elif path.name.upper() != CONTENTS and (path.suffix.lower() in DICOM_ENDINGS or _says_dicom(path)):
        cleaned = decoder.cleaned(path, key)
        record, content = dicom_record(cleaned), cleaned.file
    else:
        done.others += 1
        return
    record = people.met(record, path.parent)
    if _there(record, films):
        done.already += 1
        return
    save(films, record, content)
    FilmRaster(films, record).make()
    done.films.append(record)
    done.removed.update(dict(record.removed))


def dicom_record(cleaned: Cleaned) -> Record:
    """What is kept of a cleaned film; whether it must wait for a person, and why."""
    facts, told = cleaned.film.facts, cleaned.identity
    notes = (*facts.notes, *_doubts(facts, chest_wall(cleaned.film)), *([] if told["named"] else [_NOBODY]))
    burned = burned_in(facts, told["class"])
    return Record(
        film=told["film"], patient=told["patient"], exam=told["exam"], date=told["date"],
        state="quarantined" if burned else state_of(notes), facts=facts, size=cleaned.film.size,
        sha256=pixel_hash(cleaned.film.stored), file=f"{told['film']}.dcm", offset=cleaned.offset,
        dtype=cleaned.film.stored.dtype.name, notes=(*notes, *([burned] if burned else [])), person=told["person"],
        uids=(told["study"], told["series"], told["sop"]), kind=told["class"],
        removed=tuple(sorted(cleaned.removed.items())),
    )  # fmt: skip


def burned_in(facts: Facts, kind: str) -> str:
    """Why a person must look whether somebody is named on the picture itself; empty where that is not needed."""
    if facts.burned_in:
        return "the file says that text is burned into the picture: somebody must look at it"
    if facts.burned_in is None and not kind.startswith(ACQUIRED):
        return f"the file does not say whether text is burned in, and its class ({kind}) often has some"
    return ""


_NOBODY = f"the file names no patient: {WHOSE}"


def _doubts(facts: Facts, wall: str) -> Iterable[str]:
    if facts.laterality not in ("L", "R"):
        yield f"no laterality: {CONFIRM}"
    if not facts.view:
        yield f"no view: {CONFIRM}"
    rows, columns = (*facts.orientation, "", "")[:2]
    if facts.view in STANDARD and facts.laterality and facts.laterality in columns:
        yield f"laterality {facts.laterality} does not go with columns that lead to {columns}: {CONFIRM}"
    there = {"P": "right", "A": "left"}.get(rows[:1], "")
    if there and wall and wall != there:
        yield f"the breast begins at the {wall} edge, and by its orientation at the {there}: {CONFIRM}"


def _says_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _there(record: Record, films: Path) -> bool:
    """Whether the film has been imported whole; raises DataError where another picture has its identifier."""
    for path in (replace(record, state="ready").path(films), replace(record, state="quarantined").path(films)):
        try:
            kept = read(path)
        except DataError:  # there is none, or it is damaged and is written anew
            continue
        if kept.sha256 != record.sha256:
            raise DataError(f"Film {record.film} is there with another picture: one of them bears a wrong identifier.")
        return True
    return False
