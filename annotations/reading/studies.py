"""Studies: set up from a bundle, given readers, opened and closed.

    create → draft ─ open → open ⇄ closed        (what is frozen at `create` never changes, in the database either)

A case of which an explanation failed is blocked: nobody gets it in any arm, and the status says so.  To open such a
study one has to say that it goes without them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from annotations import audit
from annotations.database import Database
from annotations.people import allowed
from annotations.people import found as person_found
from annotations.reading.answers import FINAL
from annotations.reading.bundle import FAILED, Arm, StudyBundle, blocked_by, check_file
from annotations.reading.design import masks, order, seed_of
from annotations.reading.lexicon import Lexicon, lexicon_from, read_lexicon
from annotations.reading.tables import ArmRow, CaseRow, ExplanationRow, ReaderRow, ReadingRow, StudyRow
from annotations.runs import now
from annotations.tables import PersonRow
from explain_core.errors import InputError, ParamError, StoreError, suggest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
DRAFT, OPEN, CLOSED = "draft", "open", "closed"
DAY = 24 * 3600
LONGEST_WASHOUT_S, SHORTEST_IDLE_S, LONGEST_IDLE_S = 365 * DAY, 10, DAY
CHANGED = "study-state"


@dataclass(frozen=True)
class Plan:
    """The seed of all orders; the time between a reader's sessions; and how long a read may be left alone."""

    seed: int = 0
    washout_s: int = 28 * DAY
    idle_s: int = 15 * 60

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**31:
            raise ParamError(f"Seed {self.seed}: give 0 to {2**31 - 1}.")
        if not 0 <= self.washout_s <= LONGEST_WASHOUT_S:
            raise ParamError(f"A washout of {self.washout_s} s: give 0 to {LONGEST_WASHOUT_S}, a year.")
        if not SHORTEST_IDLE_S <= self.idle_s <= LONGEST_IDLE_S:
            raise ParamError(f"Idle after {self.idle_s} s: give {SHORTEST_IDLE_S} to {LONGEST_IDLE_S}.")


@dataclass(frozen=True)
class Done:
    """Of one reader: cases whose final read is locked, of how many, practice apart."""

    reader: str
    seed: int
    done: int
    of: int

    @property
    def share(self) -> float:
        return self.done / self.of if self.of else 0.0


@dataclass(frozen=True)
class Study:
    """A study as it stands; `blocked` says of each such case why, `setup` is the hash of all that is frozen."""

    name: str
    title: str
    state: str
    plan: Plan
    arms: tuple[Arm, ...]
    cases: int
    practice: int
    blocked: Mapping[str, str]
    readers: tuple[Done, ...]
    lexicon: str
    setup: str
    bundle: Path
    spec: Mapping[str, Any]
    author: str
    created: datetime


class Studies:
    """The tables of studies; methods raise StoreError, InputError, ParamError, RightsError."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database, self._clock = database, clock

    def create(
        self, name: str, bundle: StudyBundle, *, by: str, plan: Plan | None = None, lexicon: Lexicon | None = None,
        readers: Iterable[str] = (),
    ) -> Study:  # fmt: skip
        """A draft about a bundle's cases, all of it frozen, all or nothing."""
        if not NAME.fullmatch(name):
            raise InputError(f"Study {name[:120]!r}: a letter or digit, then letters, digits, dashes; at most 100.")
        plan, lexicon = plan or Plan(), lexicon or read_lexicon()
        with self._database.write() as session:
            allowed(session, by, "organise")
            self._database.hold(session, "studies")
            if session.scalar(select(StudyRow.id).where(StudyRow.name == name)):
                raise InputError(f"There is a study {name!r} already, and it is never changed: choose another name.")
            row = StudyRow(
                name=name, title=bundle.title, state=DRAFT, bundle=str(bundle.folder.absolute()),
                bundle_sha256=bundle.sha256, lexicon=lexicon.record(), lexicon_sha256=lexicon.sha256, seed=plan.seed,
                washout_s=plan.washout_s, idle_s=plan.idle_s, spec=dict(bundle.spec), author=by, created=self._clock(),
                setup_sha256=_setup(name, bundle, lexicon, plan),
            )  # fmt: skip
            session.add(row)
            session.flush()
            _insert(session, row, bundle)
            audit.record(session, row.created, by, audit.STUDY, audit.study_detail(row))
            for reader in readers:
                self._add(session, row, reader, by)
            return _study(session, row)

    def add_reader(self, name: str, reader: str, *, by: str) -> Study:
        """Somebody more who reads, with an order and letters of a seed of their own."""
        with self._database.write() as session:
            allowed(session, by, "organise")
            row = found(session, name)
            self._database.hold(session, f"study {row.id}")
            if row.state == CLOSED:
                raise InputError(f"The study {name} is closed: open it first.")
            self._add(session, row, reader, by)
            return _study(session, row)

    def set_state(self, name: str, state: str, *, by: str, without_blocked: bool = False) -> Study:
        """Opens a study, once every explanation's file has its locked hash, or closes it."""
        if state not in (OPEN, CLOSED):
            raise InputError(f"State {state!r}: {suggest(state, (OPEN, CLOSED))}")
        with self._database.write() as session:
            allowed(session, by, "organise")
            row = found(session, name)
            self._database.hold(session, f"study {row.id}")
            if state == OPEN:
                _check_open(session, row, without_blocked)
            row.state = state
            audit.record(session, self._clock(), by, CHANGED, {"name": name, "state": state})
            return _study(session, row)

    def get(self, name: str) -> Study:
        with self._database.read() as session:
            return _study(session, found(session, name))

    def find(self) -> list[Study]:
        """The newest first."""
        with self._database.read() as session:
            return [_study(session, row) for row in session.scalars(select(StudyRow).order_by(StudyRow.id.desc()))]

    def of_reader(self, reader: str) -> list[str]:
        """The names of open studies in which somebody reads, the oldest first."""
        asked = select(StudyRow.name).join(ReaderRow).join(PersonRow).order_by(StudyRow.id)
        with self._database.read() as session:
            return list(session.scalars(asked.where(PersonRow.name == reader, StudyRow.state == OPEN)))

    def _add(self, session: Session, row: StudyRow, name: str, by: str) -> None:
        person = allowed(session, name, "answer")
        known = session.scalars(select(ReaderRow).where(ReaderRow.study_id == row.id)).all()
        if any(reader.person_id == person.id for reader in known):
            raise InputError(f"{name} reads in {row.name} already: name somebody else.")
        arms = [arm.name for arm in arms_of(session, row)]
        cases = [case for case in cases_of(session, row) if case.name not in blocked(session, row)]
        place, asked = len(known), [case.name for case in cases if not case.practice]
        if not asked:
            raise InputError(f"Every case of {row.name} is blocked: see `rhoscope study status`, and build it again.")
        seed = seed_of(row.seed, place)
        made = ReaderRow(
            study_id=row.id, person_id=person.id, place=place, seed=seed, masks=masks(methods_of(session, row), seed),
            order=[list(one) for one in order(asked, [case.name for case in cases if case.practice], arms, seed)],
            created=self._clock(),
        )  # fmt: skip
        session.add(made)
        session.flush()
        told = {"name": row.name, "reader": name, "seed": seed, "order": _hash(made.order), "masks": made.masks}
        audit.record(session, made.created, by, "study-reader", told)


def found(session: Session, name: str) -> StudyRow:
    """Raises InputError for a study that there is not."""
    row = session.scalar(select(StudyRow).where(StudyRow.name == name))
    if row is None:
        raise InputError(f"No study is called {name[:100]!r}: {suggest(name, session.scalars(select(StudyRow.name)))}")
    return row


def reader_found(session: Session, study: StudyRow, name: str) -> ReaderRow:
    """Raises InputError for somebody who does not read there."""
    person = person_found(session, name)
    asked = select(ReaderRow).where(ReaderRow.study_id == study.id, ReaderRow.person_id == person.id)
    row = session.scalar(asked)
    if row is None:
        raise InputError(f"{name} is no reader of {study.name}: whoever organises it can add them.")
    return row


def arms_of(session: Session, study: StudyRow) -> list[ArmRow]:
    return list(session.scalars(select(ArmRow).where(ArmRow.study_id == study.id).order_by(ArmRow.place)))


def cases_of(session: Session, study: StudyRow) -> list[CaseRow]:
    return list(session.scalars(select(CaseRow).where(CaseRow.study_id == study.id).order_by(CaseRow.place)))


def methods_of(session: Session, study: StudyRow) -> list[str]:
    return sorted({method for arm in arms_of(session, study) for method in arm.methods})


def lexicon_of(study: StudyRow) -> Lexicon:
    return lexicon_from(study.lexicon)


def explanations_of(session: Session, case: CaseRow, methods: Iterable[str]) -> list[ExplanationRow]:
    """By film and method."""
    asked = select(ExplanationRow).where(ExplanationRow.case_id == case.id, ExplanationRow.method.in_(list(methods)))
    return list(session.scalars(asked.order_by(ExplanationRow.film, ExplanationRow.method)))


def blocked(session: Session, study: StudyRow) -> dict[str, str]:
    """Cases of which an explanation failed, or the model's output that an arm shows, and the first reason."""
    asked = select(CaseRow.name, ExplanationRow.method, ExplanationRow.note).join(ExplanationRow)
    told = asked.where(CaseRow.study_id == study.id, ExplanationRow.state == FAILED).order_by(ExplanationRow.id)
    failed = [(name, method, note) for name, method, note in session.execute(told).all()]
    shown = any(arm.output for arm in arms_of(session, study))
    return blocked_by(failed, cases_of(session, study) if shown else ())


def check_setup(session: Session, row: StudyRow) -> None:
    """Raises StoreError where what is frozen is not what was hashed when the study was set up."""
    arms = [Arm(arm.name, tuple(arm.methods), arm.output) for arm in arms_of(session, row)]
    cases, told = cases_of(session, row), []
    for case in cases:
        for one in session.scalars(
            select(ExplanationRow).where(ExplanationRow.case_id == case.id).order_by(ExplanationRow.id)
        ):
            told.append([case.name, one.film, one.method, one.state, one.file, one.sha256, one.note])
    plan = Plan(row.seed, row.washout_s, row.idle_s)
    frozen = [[case.name, case.practice, case.films, case.truth, case.output] for case in cases]
    if _setup_hash(row.name, row.bundle_sha256, arms, frozen, told, lexicon_of(row), plan) != row.setup_sha256:
        raise StoreError(f"The set-up of {row.name} is not what it was when it was made: restore a backup.")


def _check_open(session: Session, row: StudyRow, without_blocked: bool) -> None:
    check_setup(session, row)
    lost = blocked(session, row)
    if lost and not without_blocked and row.state == DRAFT:
        name, why = next(iter(lost.items()))
        raise InputError(
            f"{len(lost)} of the cases of {row.name} are blocked, {name} first ({why}): build the study again, or open "
            "it without them (--without-blocked)."
        )
    if session.scalar(select(ReaderRow.id).where(ReaderRow.study_id == row.id).limit(1)) is None:
        raise InputError(f"The study {row.name} has no reader: `rhoscope study reader {row.name} NAME --by …`.")
    asked = select(ExplanationRow).join(CaseRow).where(CaseRow.study_id == row.id)
    for one in session.scalars(asked):
        check_file(Path(row.bundle), one.file, one.sha256, one.state)


def _insert(session: Session, row: StudyRow, bundle: StudyBundle) -> None:
    for place, arm in enumerate(bundle.arms):
        session.add(ArmRow(study_id=row.id, name=arm.name, place=place, methods=list(arm.methods), output=arm.output))
    numbers = {}
    for place, case in enumerate(bundle.cases):
        made = CaseRow(
            study_id=row.id, name=case.name, place=place, practice=case.practice, films=[dict(f) for f in case.films],
            truth=dict(case.truth), output=dict(case.output),
        )  # fmt: skip
        session.add(made)
        session.flush()
        numbers[case.name] = made.id
    if bundle.explanations:
        session.execute(insert(ExplanationRow), [
            {"case_id": numbers[one.case], "film": one.film, "method": one.method, "state": one.state,
             "file": one.file, "sha256": one.sha256, "note": one.note}
            for one in _by_case(bundle)
        ])  # fmt: skip


def _by_case(bundle: StudyBundle) -> list[Any]:
    places = {case.name: place for place, case in enumerate(bundle.cases)}
    return sorted(bundle.explanations, key=lambda one: (places[one.case], one.film, one.method))


def _setup(name: str, bundle: StudyBundle, lexicon: Lexicon, plan: Plan) -> str:
    cases = [[case.name, case.practice, list(case.films), case.truth, case.output] for case in bundle.cases]
    told = [[o.case, o.film, o.method, o.state, o.file, o.sha256, o.note] for o in _by_case(bundle)]
    return _setup_hash(name, bundle.sha256, bundle.arms, cases, told, lexicon, plan)


def _setup_hash(
    name: str, bundle: str, arms: Iterable[Arm], cases: list[Any], told: list[Any], lexicon: Lexicon, plan: Plan
) -> str:
    shown = [[arm.name, list(arm.methods), arm.output] for arm in arms]
    return _hash([name, bundle, shown, cases, told, lexicon.sha256, plan.seed, plan.washout_s, plan.idle_s])


def _hash(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _study(session: Session, row: StudyRow) -> Study:
    cases = cases_of(session, row)
    asked = select(ReaderRow, PersonRow.name).join(PersonRow).where(ReaderRow.study_id == row.id)
    readers = tuple(
        Done(name, reader.seed, _finished(session, reader), sum(place[0] > 0 for place in reader.order))
        for reader, name in session.execute(asked.order_by(ReaderRow.place)).all()
    )
    return Study(
        row.name, row.title, row.state, Plan(row.seed, row.washout_s, row.idle_s),
        tuple(Arm(arm.name, tuple(arm.methods), arm.output) for arm in arms_of(session, row)),
        sum(not case.practice for case in cases), sum(case.practice for case in cases), blocked(session, row), readers,
        row.lexicon_sha256, row.setup_sha256, Path(row.bundle), row.spec, row.author, row.created,
    )  # fmt: skip


def _finished(session: Session, reader: ReaderRow) -> int:
    asked = select(func.count()).select_from(ReadingRow)
    mine = (ReadingRow.reader_id == reader.id, ReadingRow.step == FINAL)
    return session.scalar(asked.where(*mine, ReadingRow.version == 1, ReadingRow.session > 0)) or 0
