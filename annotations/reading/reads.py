"""One reader's reads: what is next, drafts, locks, amendments.

    task → unaided draft ─ lock → unaided reading          (nothing of the model has been shown)
    task → final draft, explanations shown ─ lock → final reading, and the next case
    amend → the next version of a locked step, with its reason; the versions before stay as they are

The order is the reader's own, and nothing is skipped in it.  The draft is the only thing that changes.  A read that was
left alone for longer than the study allows takes no answers until its reader opens it again, and counts that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from annotations import audit
from annotations.database import Database
from annotations.people import allowed
from annotations.reading import places
from annotations.reading.answers import FINAL, UNAIDED, Form
from annotations.reading.places import Entry, Feedback, Kept, Locked, Shown, Task
from annotations.reading.studies import OPEN, found, reader_found
from annotations.reading.tables import DraftRow, ReaderRow, ReadingRow, StudyRow
from annotations.runs import now
from annotations.tables import PersonRow
from explain_core.errors import InputError

LONGEST_KEY, LONGEST_REASON, LONGEST_MS = 64, 2000, 24 * 3600 * 1000


class Reads:
    """Reads of all studies; methods raise StoreError, InputError, RightsError."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database, self._clock = database, clock

    def worklist(self, study: str, reader: str) -> list[Entry]:
        """Everything that this reader reads, in order, without a word about cases or arms."""
        with self._database.read() as session:
            row = found(session, study)
            mine = reader_found(session, row, reader)
            steps = places.steps(session, mine)
            following = places.following(mine, steps)
            begins = places.begins(session, row, mine, following)
            waits = begins is not None and begins > self._clock()
            return [
                places.entry(number, place, steps.get(number, ()), following, begins if waits else None)
                for number, place in enumerate(mine.order, 1)
            ]

    def task(self, study: str, reader: str) -> Task | None:
        """The step at hand, opened or opened again; None when everything is read.  Raises InputError in a washout."""
        with self._database.write() as session:
            person, row = allowed(session, reader, "answer"), found(session, study)
            mine = reader_found(session, row, reader)
            self._database.hold(session, f"reader {mine.id}")
            _check_running(row)
            moment, steps = self._clock(), places.steps(session, mine)
            position = places.following(mine, steps)
            if position is None:
                return None
            begins = places.begins(session, row, mine, position)
            if begins is not None and begins > moment:
                raise InputError(
                    f"Session {mine.order[position - 1][0]} of {study} begins after the washout, on "
                    f"{begins:%Y-%m-%d %H:%M} UTC: come back then."
                )
            step = FINAL if UNAIDED in steps.get(position, ()) else UNAIDED
            draft, is_new = places.draft(session, mine, position, step, moment)
            if is_new and step == FINAL:
                told = {"study": row.id, "reader": mine.id, "position": position}
                audit.record(session, moment, person.name, "shown", told)
            if _idle(row, draft, moment):
                draft.idle += 1
            draft.touched = moment
            return places.task(session, row, mine, draft)

    def save(
        self, token: str, answers: Mapping[str, Any], *, revision: int, key: str, active_ms: int = 0, hidden_ms: int = 0
    ) -> Kept:
        """Keeps a draft, whatever it lacks.  The times are those since the last save; the same `key` again adds none.

        Raises InputError where another window has saved since `revision`, or the read was left alone too long.
        """
        _check(key, active_ms, hidden_ms)
        with self._database.write() as session:
            row, mine, draft = _held(self._database, session, token)
            form = places.form(session, row, mine, draft.position, draft.step)
            form.check(answers)
            moment = self._clock()
            if draft.key != key:
                _check_fresh(row, draft, revision, moment)
                _add_times(draft, active_ms, hidden_ms)
                draft.answers, draft.key, draft.revision = dict(answers), key, draft.revision + 1
            draft.touched = moment
            return Kept(draft.revision, moment, tuple(form.lacking(draft.answers)))

    def lock(self, token: str, *, revision: int, key: str, active_ms: int = 0, hidden_ms: int = 0) -> Locked:
        """Signs the draft as it was saved at `revision`: from here on nothing changes it.  The same `key` signs once.

        Raises InputError where anything is lacking, and says what.
        """
        _check(key, active_ms, hidden_ms)
        with self._database.write() as session:
            again = session.scalar(select(ReadingRow).where(ReadingRow.key == key))
            if again is not None:
                if again.token != token:
                    raise InputError(f"The key {key!r} belongs to another read: take a new key.")
                return _locked(again)
            row, mine, draft = _held(self._database, session, token)
            moment = self._clock()
            _check_fresh(row, draft, revision, moment)
            form = places.form(session, row, mine, draft.position, draft.step)
            _check_whole(form, draft.answers)
            _add_times(draft, active_ms, hidden_ms)
            made = self._keep(session, row, mine, draft, key, moment)
            session.delete(draft)
            return made

    def amend(
        self, study: str, reader: str, position: int, step: str, answers: Mapping[str, Any], *, reason: str, key: str
    ) -> Locked:
        """A new version of a locked step; the ones before stay.  An unaided step that is amended after its explanation
        was shown is kept and exported, and does not count.  Raises InputError without a reason."""
        _check(key, 0, 0)
        if not reason.strip() or len(reason) > LONGEST_REASON:
            raise InputError(f"A reason of {len(reason.strip())} characters: say in 1 to {LONGEST_REASON} why.")
        with self._database.write() as session:
            allowed(session, reader, "answer")
            row = found(session, study)
            mine = reader_found(session, row, reader)
            self._database.hold(session, f"reader {mine.id}")
            again = session.scalar(select(ReadingRow).where(ReadingRow.key == key))
            if again is not None:
                if (again.reader_id, again.position, again.step) != (mine.id, position, step):
                    raise InputError(f"The key {key!r} belongs to another read: take a new key.")
                return _locked(again)
            _check_running(row)
            last = places.last(session, mine, position, step)
            if last is None:
                raise InputError(f"Case {position} has no locked {step[:20]} read that could be amended.")
            form = places.form(session, row, mine, position, step)
            form.check(answers)
            _check_whole(form, answers)
            return self._write(session, row, last, dict(answers), reason, key)

    def locked(self, study: str, reader: str, position: int | None = None) -> list[Locked]:
        """What this reader has locked, all versions, in order."""
        with self._database.read() as session:
            mine = reader_found(session, found(session, study), reader)
            asked = select(ReadingRow).where(ReadingRow.reader_id == mine.id).order_by(ReadingRow.id)
            if position is not None:
                asked = asked.where(ReadingRow.position == position)
            return [_locked(row) for row in session.scalars(asked)]

    def shown(self, study: str, reader: str, position: int, step: str) -> Shown:
        """What a step that is locked had before it; raises InputError for one that is not."""
        with self._database.read() as session:
            row = found(session, study)
            mine = reader_found(session, row, reader)
            form = places.form(session, row, mine, position, step)
            if places.last(session, mine, position, step) is None:
                raise InputError(f"Case {position} has no locked {step} read yet.")
            _, case, arm = places.placed(session, row, mine, position)
            files = places.files(session, row, mine, case, arm) if step == FINAL else {}
            told = {letter: {film: path for film, (path, _) in each.items()} for letter, each in files.items()}
            return Shown(Path(row.bundle), case.films, form, told)

    def feedback(self, study: str, reader: str, position: int) -> Feedback:
        """What is true of a practice case, once its final read is locked; raises InputError for any other."""
        with self._database.read() as session:
            row = found(session, study)
            mine = reader_found(session, row, reader)
            place, case, _ = places.placed(session, row, mine, position)
            if place[0] != 0:
                raise InputError(f"Case {position} is no practice case: nothing is told about it.")
            last = places.last(session, mine, position, FINAL)
            if last is None:
                raise InputError(f"Case {position} is not read yet: its feedback comes after the final read.")
            truth, score = case.truth, float(last.answers["score"])
            return Feedback(position, truth.get("label"), truth.get("regions", ()), truth.get("why", ""), score)

    def _keep(
        self, session: Session, study: StudyRow, reader: ReaderRow, draft: DraftRow, key: str, moment: datetime
    ) -> Locked:
        place, case, arm = places.placed(session, study, reader, draft.position)
        shown = places.files(session, study, reader, case, arm) if draft.step == FINAL else {}
        made = ReadingRow(
            study_id=study.id, reader_id=reader.id, case_id=case.id, arm_id=arm.id, position=draft.position,
            session=place[0], step=draft.step, version=1, answers=draft.answers, lexicon_sha256=study.lexicon_sha256,
            explanations={letter: {film: sha for film, (_, sha) in each.items()} for letter, each in shown.items()},
            reason="", key=key, token=draft.token, active_ms=draft.active_ms, hidden_ms=draft.hidden_ms,
            idle=draft.idle, started=draft.started, locked=moment,
        )  # fmt: skip
        return _recorded(session, made, reader)

    def _write(
        self, session: Session, study: StudyRow, last: ReadingRow, answers: dict[str, Any], reason: str, key: str
    ) -> Locked:
        moment, reader = self._clock(), session.get_one(ReaderRow, last.reader_id)
        made = ReadingRow(
            study_id=study.id, reader_id=reader.id, case_id=last.case_id, arm_id=last.arm_id, position=last.position,
            session=last.session, step=last.step, version=last.version + 1, answers=answers,
            lexicon_sha256=study.lexicon_sha256, explanations=last.explanations, reason=reason, key=key, token="",
            active_ms=0, hidden_ms=0, idle=0, started=moment, locked=moment,
        )  # fmt: skip
        return _recorded(session, made, reader)


def _recorded(session: Session, made: ReadingRow, reader: ReaderRow) -> Locked:
    session.add(made)
    session.flush()
    who = session.get_one(PersonRow, reader.person_id).name
    audit.record(session, made.locked, who, audit.READ, audit.reading_detail(made))
    return _locked(made)


def _locked(row: ReadingRow) -> Locked:
    return Locked(row.position, row.session, row.step, row.version, row.answers, row.reason, row.locked)


def _check(key: str, *times: int) -> None:
    if not key or len(key) > LONGEST_KEY:
        raise InputError(f"Key of {len(key)} characters: give a text of 1 to {LONGEST_KEY}, new for each request.")
    for each in times:
        if not 0 <= each <= LONGEST_MS:
            raise InputError(f"{each} ms at a read: 0 to {LONGEST_MS}.")


def _check_running(study: StudyRow) -> None:
    if study.state != OPEN:
        raise InputError(f"The study {study.name} is {study.state}, not open: its organiser can open it.")


def _check_fresh(study: StudyRow, draft: DraftRow, revision: int, moment: datetime) -> None:
    if _idle(study, draft, moment):
        raise InputError(
            f"This read was left alone for more than {study.idle_s // 60 or study.idle_s} "
            f"{'minutes' if study.idle_s >= 60 else 's'} and is closed; what was saved is kept: open it again."
        )
    if draft.revision != revision:
        raise InputError(f"This read was saved elsewhere meanwhile ({draft.revision}, not {revision}): open it again.")


def _check_whole(form: Form, answers: Mapping[str, Any]) -> None:
    if lacking := form.lacking(answers):
        raise InputError(f"Not complete: {'; '.join(lacking)}. Answer that, and sign again.")


def _idle(study: StudyRow, draft: DraftRow, moment: datetime) -> bool:
    return moment - draft.touched > timedelta(seconds=study.idle_s)


def _add_times(draft: DraftRow, active_ms: int, hidden_ms: int) -> None:
    draft.active_ms = min(LONGEST_MS, draft.active_ms + active_ms)
    draft.hidden_ms = min(LONGEST_MS, draft.hidden_ms + hidden_ms)


def _held(database: Database, session: Session, token: str) -> tuple[StudyRow, ReaderRow, DraftRow]:
    """The draft and all that it belongs to, held until the transaction ends; raises InputError, RightsError."""
    number = session.scalar(select(DraftRow.reader_id).where(DraftRow.token == token))
    if number is not None:
        database.hold(session, f"reader {number}")
    draft = session.get(DraftRow, token, populate_existing=True)
    if draft is None:
        if session.scalar(select(ReadingRow.id).where(ReadingRow.token == token).limit(1)) is not None:
            raise InputError("This step is locked, and nothing changes it: amend it, with a reason.")
        raise InputError(f"No read was given out under the token {token[:40]!r}: ask for what is next.")
    reader = session.get_one(ReaderRow, draft.reader_id)
    study = session.get_one(StudyRow, reader.study_id)
    allowed(session, session.get_one(PersonRow, reader.person_id).name, "answer")
    _check_running(study)
    return study, reader, draft
