"""Where films lie, and what is told of each; there is no patient in any of it.

    FILMS/<patient>/<exam>/<film>.dcm     or .npy, where the film came as a plain picture
    FILMS/<patient>/<exam>/<film>.json    its record, written last
    FILMS/<patient>/<exam>/<film>.levels  the film in smaller sizes, which can be made again at any time
    FILMS/quarantine/<patient>/<exam>/…   films on which a person may be named, until somebody has looked

`<patient>` is a pseudonym, `<exam>` a shifted date or `study-…`, `<film>` a keyed name; FILMS is WORKSPACE/films.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from explain_core.dicom.film import Facts, Film, Stored, facts_from, facts_record
from explain_core.errors import DataError, InputError
from explain_core.export import json_line, write

State = Literal["ready", "unconfirmed", "quarantined"]
QUARANTINE = "quarantine"
CONFIRM = "to be confirmed"
"""How a note ends that a person must answer before the film counts as ready."""
WHOSE = f"whose it is, is {CONFIRM}"
"""How it ends where looking at the picture does not answer it."""
SURE = "patient confirmed by a person"
"""The note that answers it."""
FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class Record:
    """One film.  `person` is a keyed word for name and birth date, empty where the file had none; `sha256` of the
    stored values; `date` YYYYMMDD, shifted, or empty; `removed` how often each tag was taken out or replaced.
    """

    film: str
    patient: str
    exam: str
    date: str
    state: State
    facts: Facts
    size: tuple[int, int]
    sha256: str
    file: str
    offset: int
    dtype: str
    notes: tuple[str, ...] = ()
    person: str = ""
    uids: tuple[str, str, str] = ("", "", "")
    """Remapped study, series and instance UID; empty for a plain picture."""
    kind: str = ""
    removed: tuple[tuple[str, int], ...] = ()

    def folder(self, films: Path) -> Path:
        root = films / QUARANTINE if self.state == "quarantined" else films
        return root / self.patient / self.exam

    def path(self, films: Path) -> Path:
        """Of the record itself."""
        return self.folder(films) / f"{self.film}.json"

    def levels(self, films: Path) -> Path:
        """Of the film in smaller sizes (pyramid.py)."""
        return self.folder(films) / f"{self.film}.levels"

    def open(self, films: Path) -> Film:
        """The film; its values are mapped from the file, not read.  Raises DataError where the file is gone."""
        try:
            stored = np.memmap(self.folder(films) / self.file, self.dtype, "r", self.offset, self.size)
        except (OSError, ValueError):
            raise DataError(f"Film {self.film}: its file is gone or cut off; import it again.") from None
        return Film(stored, self.facts, self.sha256)

    @property
    def label(self) -> str:
        """Laterality and view, such as RCC; question marks for what is not known."""
        return f"{self.facts.laterality or '?'}{self.facts.view or '?'}"


def pixel_hash(stored: Stored) -> str:
    """SHA-256 of shape, type and stored values."""
    digest = hashlib.sha256(f"{stored.dtype.str} {stored.shape}".encode())
    digest.update(np.ascontiguousarray(stored).tobytes())
    return digest.hexdigest()


def state_of(notes: tuple[str, ...]) -> State:
    return "unconfirmed" if any(note.endswith(CONFIRM) for note in notes) else "ready"


def save(films: Path, record: Record, content: bytes | None = None) -> None:
    """Writes a film's file, where it has a new one, and then its record; raises OutputError."""
    if content is not None:
        write(record.folder(films) / record.file, content)
    plain = {**vars(record), "facts": facts_record(record.facts), "removed": dict(record.removed), "format": FORMAT}
    write(record.path(films), json_line(plain).encode())


def records(films: Path, *, quarantined: bool = False) -> list[Record]:
    """Every film, by patient, exam and name; raises DataError for a record that is damaged."""
    return [read(path) for path in _paths(films, quarantined)]


def whole_records(films: Path, *, quarantined: bool = False) -> Iterator[Record]:
    """The same without those that are damaged, which an import writes anew."""
    for path in _paths(films, quarantined):
        with suppress(DataError):
            yield read(path)


def _paths(films: Path, quarantined: bool) -> list[Path]:
    return sorted((films / QUARANTINE if quarantined else films).glob("*/*/*.json"))


def read(path: Path) -> Record:
    """Raises DataError for a record that is none, or of a newer version."""
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if told.pop("format") != FORMAT:
            raise DataError(f"Film {path.stem} was written by a newer version: update Rhoscope.")
        told.update(facts=facts_from(told["facts"]), size=tuple(told["size"]), notes=tuple(told["notes"]))
        made = Record(**{**told, "uids": tuple(told["uids"]), "removed": tuple(sorted(told["removed"].items()))})
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        raise DataError(f"The record of film {path.stem} is damaged: import the film again.") from None
    if not all(_NAME.fullmatch(name) for name in (made.film, made.patient, made.exam)) or "/" in made.file:
        raise DataError(f"The record of film {path.stem} is damaged: import the film again.")
    return made


def find(films: Path, name: str) -> Record:
    """A film by its name, also one in quarantine; raises InputError where there is none."""
    if _NAME.fullmatch(name):
        for path in _named(films, name):
            return read(path)
    raise InputError(f"There is no film {name!r}: `rhoscope dicom list` names them.")


def _named(films: Path, name: str) -> Iterator[Path]:
    yield from films.glob(f"*/*/{name}.json")
    yield from (films / QUARANTINE).glob(f"*/*/{name}.json")


def confirm(films: Path, record: Record, laterality: str, view: str, *, whose: bool = False) -> Record:
    """A person has said which view it is, and, where `whose`, made sure of the patient; quarantine stays quarantine.

    Raises InputError where laterality or view would still be unknown.
    """
    facts = replace(record.facts, laterality=laterality or record.facts.laterality, view=view or record.facts.view)
    if not (facts.laterality and facts.view):
        raise InputError(f"Film {record.film} has no laterality or no view: say both of what is seen on it.")
    left = tuple(note for note in record.notes if not note.endswith(CONFIRM) or (note.endswith(WHOSE) and not whose))
    told = ("view confirmed by a person", *([SURE] if whose else []))
    made = replace(record, facts=facts, notes=(*told, *left))
    made = replace(made, state=record.state if record.state == "quarantined" else state_of(made.notes))
    save(films, made)
    return made


def release(films: Path, record: Record) -> Record:
    """A person has looked and found nobody named; the film joins the others."""
    if record.state != "quarantined":
        raise InputError(f"Film {record.film} is not in quarantine: there is nothing to release.")
    notes = (*record.notes, "looked at by a person: nobody is named on it")
    made = replace(record, state=state_of(record.notes), notes=notes)
    before = record.folder(films)
    save(films, made, (before / record.file).read_bytes())
    for path in (record.path(films), before / record.file, record.levels(films)):
        path.unlink(missing_ok=True)
    return made
