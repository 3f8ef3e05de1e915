"""The next item for a rater, and the answer: leased for a while, kept in one transaction, never overwritten.

    next → lease open ─ answer → answered          an answer after the lease's end is kept, and marked late
              ↑    │──── skip → skipped            (offered again when nothing else is left)
              │    └── time over → expired         (somebody else may have it)
              └──────── undo ── answered           (withdrawn by a label without an answer, and asked again)

A rater has one item at a time, also in two tabs.  Nobody sees what others answered, nor what the model said.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from annotations import audit, labels, leases
from annotations.campaigns import OPEN as CAMPAIGN_OPEN
from annotations.campaigns import found as campaign_found
from annotations.database import Database
from annotations.leases import ANSWERED, EXPIRED, OPEN, SKIPPED
from annotations.people import allowed
from annotations.people import found as person_found
from annotations.questions import get_question
from annotations.runs import now
from annotations.shapes import check_shapes
from annotations.tables import CampaignRow, ItemRow, LabelRow, LeaseRow, PersonRow
from explain_core.errors import InputError

LONGEST_NOTE, LONGEST_KEY, LONGEST_MS = 2000, 64, 24 * 3600 * 1000


@dataclass(frozen=True)
class Task:
    """An item in a rater's hands; `token` names the lease.

    `earlier` is the answer that was just taken back, and `shapes` what was drawn with it.
    """

    token: str
    item: str
    class_name: str
    pictures: Mapping[str, Path]
    expires: datetime
    earlier: str | None = None
    shapes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Practice:
    """An item to learn from: what is expected of it, and why, where whoever made it said so."""

    task: Task
    answer: str
    why: str


@dataclass(frozen=True)
class Saved:
    """A label that is on the disk: what was answered, when, and whether after the lease's end."""

    item: str
    answer: str
    at: datetime
    late: bool


@dataclass(frozen=True)
class Progress:
    """Of one rater: items answered, and how many more there are to answer now."""

    done: int
    left: int


class Queue:
    """Items and labels of all campaigns; methods raise StoreError, InputError, RightsError."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database, self._clock = database, clock

    def next(self, campaign: str, rater: str) -> Task | None:
        """The item that the rater has, or else the next one there is; None when nothing is left for now."""
        with self._database.write() as session:
            person, row = allowed(session, rater, "answer"), campaign_found(session, campaign)
            if row.state != CAMPAIGN_OPEN:
                raise InputError(f"The campaign {campaign} is closed: its organiser can open it again.")
            self._database.hold(session, f"campaign {row.id}")
            moment = self._clock()
            leases.expire(session, row, moment)
            lease = leases.held(session, row, person)
            if lease is not None:
                return _task(session, row, lease, _taken_back(session, lease))
            item = leases.free(session, row, person)
            return None if item is None else _task(session, row, leases.grant(session, row, item, person, moment))

    def answer(
        self, token: str, answer: str, key: str, *, note: str = "", flagged: bool = False,
        active_ms: int | None = None, shapes: Mapping[str, Any] | None = None,
    ) -> Saved:  # fmt: skip
        """Keeps an answer before anything else is shown.  The same `key` again is the same answer, kept once."""
        _check(key, note, active_ms)
        with self._database.write() as session:
            lease, item, campaign, person = _leased(self._database, session, token)
            question = get_question(campaign.question)
            question.answer(answer)
            check_shapes(question, shapes or {})
            moment, last = self._clock(), labels.last(session, item.id, person.id)
            if (again := _again(session, key, lease, last, (answer, dict(shapes or {})))) is not None:
                return Saved(item.name, str(again.answer), again.created, again.late)
            late = (
                lease.state == EXPIRED or moment > lease.expires or campaign.state != CAMPAIGN_OPEN or not person.active
            )
            if lease.state != OPEN:
                item.taken += 1
            lease.state = ANSWERED
            label = LabelRow(
                item_id=item.id, person_id=person.id, token=token, key=key, answer=answer, late=late, flagged=flagged,
                note=note, active_ms=active_ms, shapes=dict(shapes or {}), supersedes=last.id if last else None,
                created=moment,
            )  # fmt: skip
            session.add(label)
            session.flush()
            audit.record(session, moment, person.name, audit.LABELLED, audit.label_detail(label))
            _ask_another(session, campaign, item)
            return Saved(item.name, answer, moment, late)

    def skip(self, token: str, note: str = "") -> None:
        """Puts the item off; a second time does nothing more.  Raises InputError where it is answered already."""
        _check("skip", note, None)
        with self._database.write() as session:
            lease, item, _campaign, person = _leased(self._database, session, token)
            if lease.state == ANSWERED:
                raise InputError(f"Item {item.name} is answered already: take that back first.")
            if lease.state == OPEN:
                item.taken -= 1
            if lease.state != SKIPPED:
                lease.state = SKIPPED
                audit.record(session, self._clock(), person.name, "skip", {"item": item.id, "note": note})

    def undo(self, campaign: str, rater: str) -> Task:
        """Takes the rater's own last answer back and asks again; the item at hand goes back to the queue."""
        with self._database.write() as session:
            person, row = allowed(session, rater, "answer"), campaign_found(session, campaign)
            if row.state != CAMPAIGN_OPEN:
                raise InputError(f"The campaign {campaign} is closed: answers stay as they are.")
            self._database.hold(session, f"campaign {row.id}")
            last = session.scalar(labels.of(row, person).order_by(LabelRow.id.desc()).limit(1))
            if last is None:
                raise InputError(f"{rater} has not answered anything in {campaign} that could be taken back.")
            moment = self._clock()
            leases.release(session, row, person)
            lease, item = session.get_one(LeaseRow, last.token), session.get_one(ItemRow, last.item_id)
            lease.state, lease.expires = OPEN, moment + timedelta(seconds=row.lease_s)
            taken_back = LabelRow(
                item_id=item.id, person_id=person.id, token=last.token, key=f"undo {secrets.token_hex(8)}",
                answer=None, late=False, flagged=False, note="", active_ms=None, shapes={}, supersedes=last.id,
                created=moment,
            )  # fmt: skip
            session.add(taken_back)
            session.flush()
            audit.record(session, moment, person.name, audit.LABELLED, audit.label_detail(taken_back))
            return _task(session, row, lease, last)

    def ahead(self, campaign: str, rater: str) -> Task | None:
        """What would come after the item at hand, to be made ready; nobody has it yet, and its token is empty."""
        with self._database.read() as session:
            person, row = person_found(session, rater), campaign_found(session, campaign)
            item = leases.free(session, row, person)
            return None if item is None else _shown(row, item, "", self._clock())

    def practice(self, campaign: str) -> list[Practice]:
        """What may be shown and tried first; it is never asked, and nothing of it is kept."""
        with self._database.read() as session:
            row = campaign_found(session, campaign)
            asked = select(ItemRow).where(ItemRow.campaign_id == row.id, ItemRow.kind == "practice")
            items = session.scalars(asked.order_by(ItemRow.place))
            return [
                Practice(_shown(row, item, item.name, self._clock()), item.truth, str(item.told.get("why", "")))
                for item in items if item.truth
            ]  # fmt: skip

    def progress(self, campaign: str, rater: str) -> Progress:
        with self._database.read() as session:
            person, row = person_found(session, rater), campaign_found(session, campaign)
            done = session.scalar(select(func.count()).select_from(labels.of(row, person).subquery())) or 0
            left = session.scalar(select(func.count()).where(*leases.offered(row, person, skipped=True))) or 0
            return Progress(done, left)


def _check(key: str, note: str, active_ms: int | None) -> None:
    if not key or len(key) > LONGEST_KEY or key.startswith("undo "):
        raise InputError(f"Key of {len(key)} characters: give a text of 1 to {LONGEST_KEY}, new for each answer.")
    if len(note) > LONGEST_NOTE:
        raise InputError(f"A note of {len(note)} characters: at most {LONGEST_NOTE}.")
    if active_ms is not None and not 0 <= active_ms <= LONGEST_MS:
        raise InputError(f"{active_ms} ms at an item: 0 to {LONGEST_MS}.")


def _leased(database: Database, session: Session, token: str) -> tuple[LeaseRow, ItemRow, CampaignRow, PersonRow]:
    """The lease and all that it names, its campaign held until the transaction ends; raises InputError."""
    asked = select(ItemRow.campaign_id).join(LeaseRow).where(LeaseRow.token == token)
    campaign = session.scalar(asked)
    if campaign is None:
        raise InputError(f"No item was given out under the token {token[:40]!r}: ask for the next one.")
    database.hold(session, f"campaign {campaign}")
    lease = session.get_one(LeaseRow, token)
    item, person = session.get_one(ItemRow, lease.item_id), session.get_one(PersonRow, lease.person_id)
    return lease, item, session.get_one(CampaignRow, campaign), person


def _again(
    session: Session, key: str, lease: LeaseRow, last: LabelRow | None, said: tuple[str, dict[str, Any]]
) -> LabelRow | None:
    """The label that this very answer and drawing is already, or None; raises InputError where there is another one."""
    kept = session.scalar(select(LabelRow).where(LabelRow.key == key))
    if kept is not None:
        if (kept.token, kept.answer, kept.shapes) != (lease.token, *said):
            raise InputError(f"The key {key[:LONGEST_KEY]!r} belongs to another answer: take a new key.")
        return kept
    if last is None or last.answer is None:
        return None
    if (last.answer, last.shapes) != said:
        drawn = "" if last.answer != said[0] else " and another drawing"
        raise InputError(f"This item is answered already, with {last.answer!r}{drawn}: take that back first.")
    return last


def _taken_back(session: Session, lease: LeaseRow) -> LabelRow | None:
    """The answer about a lease's item that its person took back last, where there is no newer one."""
    last = labels.last(session, lease.item_id, lease.person_id)
    return None if last is None or last.answer is not None else session.get(LabelRow, last.supersedes)


def _ask_another(session: Session, campaign: CampaignRow, item: ItemRow) -> None:
    """One more rater, where those who were wanted have answered and disagree."""
    if item.wanted == 0 or item.wanted >= campaign.most:
        return
    answers = [label.answer for label in session.scalars(labels.counting(campaign).where(LabelRow.item_id == item.id))]
    if len(answers) >= item.wanted and len(set(answers)) > 1:
        item.wanted += 1


def _task(session: Session, campaign: CampaignRow, lease: LeaseRow, earlier: LabelRow | None = None) -> Task:
    return _shown(campaign, session.get_one(ItemRow, lease.item_id), lease.token, lease.expires, earlier)


def _shown(
    campaign: CampaignRow, item: ItemRow, token: str, expires: datetime, earlier: LabelRow | None = None
) -> Task:
    places = {name: Path(campaign.bundle) / place for name, place in item.pictures.items()}
    before = (earlier.answer, earlier.shapes) if earlier else (None, {})
    return Task(token, item.name, item.class_name, places, expires, *before)
