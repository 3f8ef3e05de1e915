"""Where a reader is: the order, the step at hand, and what is shown there; all in the transaction of whoever asks."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from annotations.reading.answers import FINAL, UNAIDED, Form
from annotations.reading.bundle import check_file
from annotations.reading.studies import explanations_of, lexicon_of
from annotations.reading.tables import ArmRow, CaseRow, DraftRow, ReaderRow, ReadingRow, StudyRow
from explain_core.errors import InputError

LOCKED, AT_HAND, WAITING, WASHOUT = "locked", "at hand", "waiting", "washout"


@dataclass(frozen=True)
class Entry:
    """A line of a worklist; positions count from 1, session 0 is practice; `begins` where a washout is not over."""

    position: int
    session: int
    state: str
    step: str
    begins: datetime | None = None


@dataclass(frozen=True)
class Task:
    """A step in a reader's hands.  `letters` stand for the methods that the second step shows, here or later.

    In the final step `explanations` are files by letter and film, `output` the model's where the arm shows it, and
    `unaided` what was locked before.  `films` as in the bundle, below `bundle` or the workspace.
    """

    token: str
    study: str
    title: str
    position: int
    of: int
    session: int
    step: str
    bundle: Path
    films: Sequence[Mapping[str, Any]]
    form: Form
    answers: Mapping[str, Any]
    revision: int
    idle_s: int
    active_ms: int
    explanations: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    unaided: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Shown:
    """What a locked step had before it, as in `Task`."""

    bundle: Path
    films: Sequence[Mapping[str, Any]]
    form: Form
    explanations: Mapping[str, Mapping[str, Path]]


@dataclass(frozen=True)
class Kept:
    """A draft that is on the disk: its next revision, and what is lacking still."""

    revision: int
    at: datetime
    lacking: tuple[str, ...]


@dataclass(frozen=True)
class Locked:
    """A step that is locked, as it stands for good."""

    position: int
    session: int
    step: str
    version: int
    answers: Mapping[str, Any]
    reason: str
    at: datetime


@dataclass(frozen=True)
class Feedback:
    """Of a practice case that was read: what is true (1 a lesion, 0 none), where, and why; None where unknown."""

    position: int
    label: int | None
    regions: Sequence[Mapping[str, Any]]
    why: str
    score: float


def steps(session: Session, reader: ReaderRow) -> dict[int, set[str]]:
    """The locked steps of each position."""
    found: dict[int, set[str]] = {}
    asked = select(ReadingRow.position, ReadingRow.step).where(ReadingRow.reader_id == reader.id)
    for position, step in session.execute(asked).all():
        found.setdefault(position, set()).add(step)
    return found


def following(reader: ReaderRow, steps: Mapping[int, set[str]]) -> int | None:
    """The first position whose final read is not locked."""
    return next((n for n in range(1, len(reader.order) + 1) if FINAL not in steps.get(n, ())), None)


def begins(session: Session, study: StudyRow, reader: ReaderRow, position: int | None) -> datetime | None:
    """When the session of this position may begin; None for the first one, and for one that has begun."""
    number = reader.order[position - 1][0] if position else 0
    if number < 2 or position is None or reader.order[position - 2][0] == number:
        return None
    newest = select(func.max(ReadingRow.locked)).where(ReadingRow.reader_id == reader.id, ReadingRow.version == 1)
    last = session.scalar(newest.where(ReadingRow.session == number - 1))
    return None if last is None else last + timedelta(seconds=study.washout_s)


def entry(
    number: int, place: Sequence[Any], steps: set[str] | tuple[()], following: int | None, begins: datetime | None
) -> Entry:
    """A line of the worklist; `begins` where the washout before `following` is not over."""
    if FINAL in steps:
        return Entry(number, place[0], LOCKED, FINAL)
    step = FINAL if UNAIDED in steps else UNAIDED
    if number == following:
        return Entry(number, place[0], WASHOUT if begins else AT_HAND, step, begins)
    return Entry(number, place[0], WAITING, step)


def draft(session: Session, reader: ReaderRow, position: int, step: str, moment: datetime) -> tuple[DraftRow, bool]:
    """The draft of a step, and whether it was just made."""
    asked = select(DraftRow).where(DraftRow.reader_id == reader.id, DraftRow.position == position)
    known = session.scalar(asked.where(DraftRow.step == step))
    if known is not None:
        return known, False
    made = DraftRow(
        token=secrets.token_hex(16), reader_id=reader.id, position=position, step=step, answers={}, revision=0,
        key="", active_ms=0, hidden_ms=0, idle=0, started=moment, touched=moment,
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made, True


def last(session: Session, reader: ReaderRow, position: int, step: str) -> ReadingRow | None:
    """The newest version of a locked step."""
    mine = (ReadingRow.reader_id == reader.id, ReadingRow.position == position, ReadingRow.step == step)
    return session.scalar(select(ReadingRow).where(*mine).order_by(ReadingRow.version.desc()).limit(1))


def placed(
    session: Session, study: StudyRow, reader: ReaderRow, position: int
) -> tuple[Sequence[Any], CaseRow, ArmRow]:
    """What is at a position: session, case and arm as in the order, and their rows; raises InputError."""
    if not 1 <= position <= len(reader.order):
        raise InputError(f"Case {position}: this reader has 1 to {len(reader.order)}.")
    place = reader.order[position - 1]
    case = session.scalars(select(CaseRow).where(CaseRow.study_id == study.id, CaseRow.name == place[1])).one()
    arm = session.scalars(select(ArmRow).where(ArmRow.study_id == study.id, ArmRow.name == place[2])).one()
    return place, case, arm


def form(session: Session, study: StudyRow, reader: ReaderRow, position: int, step: str) -> Form:
    """What a step asks; raises InputError."""
    if step not in (UNAIDED, FINAL):
        raise InputError(f"Step {step[:20]!r}: it is {UNAIDED!r} or {FINAL!r}.")
    _, case, arm = placed(session, study, reader, position)
    films = {film["film"]: (film["size"][0], film["size"][1]) for film in case.films}
    return Form(lexicon_of(study), step, films, tuple(sorted(reader.masks[method] for method in arm.methods)))


def files(
    session: Session, study: StudyRow, reader: ReaderRow, case: CaseRow, arm: ArmRow
) -> dict[str, dict[str, tuple[Path, str]]]:
    """File and hash of each explanation, by letter and film; raises InputError where a file is not as it was locked."""
    found: dict[str, dict[str, tuple[Path, str]]] = {}
    for one in explanations_of(session, case, arm.methods):
        check_file(Path(study.bundle), one.file, one.sha256, one.state)
        found.setdefault(reader.masks[one.method], {})[one.film] = (Path(study.bundle) / one.file, one.sha256)
    return dict(sorted(found.items()))


def task(session: Session, study: StudyRow, reader: ReaderRow, at: DraftRow) -> Task:
    """A draft with everything that its reader may see."""
    place, case, arm = placed(session, study, reader, at.position)
    made = Task(
        at.token, study.name, study.title, at.position, len(reader.order), place[0], at.step,
        Path(study.bundle), case.films, form(session, study, reader, at.position, at.step), at.answers,
        at.revision, study.idle_s, at.active_ms,
    )  # fmt: skip
    if at.step == UNAIDED:
        return made
    before = last(session, reader, at.position, UNAIDED)
    shown = files(session, study, reader, case, arm)
    return Task(**{
        **vars(made), "output": case.output if arm.output else {},
        "explanations": {letter: {film: path for film, (path, _) in each.items()} for letter, each in shown.items()},
        "unaided": before.answers if before else {},
    })  # fmt: skip
