"""Films of one patient and one day as an exam, and what a person should know before reading it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from explain_core.dicom.views import STANDARD
from explain_core.films.record import CONFIRM, Record

SPECIAL = ("spot compression", "magnification", "implant displaced")


@dataclass(frozen=True)
class Exam:
    """Films in the order in which they are hung: R before L, CC before MLO, other views last."""

    patient: str
    name: str
    date: str
    films: tuple[Record, ...]

    def notes(self) -> tuple[str, ...]:
        """Views twice or missing, films to be confirmed, implants and views that are no screening views."""
        return tuple(_notes(self.films))

    def hung(self) -> dict[str, Record]:
        """The four standard views that are there, such as RCC: of several the first that is no special one."""
        found: dict[str, Record] = {}
        for film in sorted(self.films, key=_special):
            if film.facts.view in STANDARD and film.facts.laterality in ("R", "L"):
                found.setdefault(film.label, film)
        return found


def exams(films: Iterable[Record]) -> list[Exam]:
    """By patient, each patient's oldest exam first; what has no date comes last."""
    ordered = sorted(films, key=lambda film: (film.patient, film.date or "9", film.exam, _place(film)))
    groups = groupby(ordered, key=lambda film: (film.patient, film.exam))
    return [_exam(list(group)) for _, group in groups]


def priors(exam: Exam, among: Iterable[Exam]) -> list[Exam]:
    """The same patient's earlier exams, the newest first."""
    earlier = [other for other in among if other.patient == exam.patient and "" < other.date < exam.date]
    return sorted(earlier, key=lambda other: other.date, reverse=True)


def _exam(films: list[Record]) -> Exam:
    return Exam(films[0].patient, films[0].exam, films[0].date, tuple(films))


def _notes(films: tuple[Record, ...]) -> Iterator[str]:
    plain = Counter(film.label for film in films if not _special(film) and "?" not in film.label)
    for label, times in plain.items():
        if times > 1:
            yield f"{label} is there {times} times: which one is hung must be chosen"
    missing = [side + view for side in "RL" for view in STANDARD if side + view not in plain]
    if missing:
        yield f"no {', '.join(missing)}"
    for film in films:
        special = [word for word in film.facts.modifiers if word in SPECIAL]
        if film.facts.implant:
            special.append("breast implant")
        if special:
            yield f"{film.label}: {', '.join(special)}"
    waiting = sum(any(note.endswith(CONFIRM) for note in film.notes) for film in films)
    if waiting:
        yield f"{waiting} of {len(films)} films are {CONFIRM}"
    if {film.facts.intent for film in films} >= {"presentation", "processing"}:
        yield "some films are for presentation, some for processing: their contrast differs"


def _special(film: Record) -> bool:
    return any(word in SPECIAL for word in film.facts.modifiers)


def _place(film: Record) -> tuple[int, int, str]:
    view = film.facts.view
    side = film.facts.laterality
    return (
        STANDARD.index(view) if view in STANDARD else len(STANDARD),
        "RL".index(side) if side in ("R", "L") else 2,
        film.film,
    )
