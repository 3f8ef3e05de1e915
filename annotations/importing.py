"""Labels from files: all of a file's, or none of them.

A file is JSON lines as `rhoscope labels export` writes them, or a table (CSV) with the columns item, rater, answer,
and where an ellipse was drawn cx, cy, rx, ry, angle.
A label that is there already, by its key, is left as it is, so a file can be imported twice.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from annotations import audit, labels
from annotations.campaigns import found
from annotations.database import Database
from annotations.leases import ANSWERED, RELEASED
from annotations.people import NAME, allowed
from annotations.questions import Question, get_question
from annotations.queue import LONGEST_KEY, LONGEST_NOTE
from annotations.runs import now
from annotations.shapes import ELLIPSE, check_shapes, ellipse_from
from annotations.tables import CampaignRow, ItemRow, LabelRow, LeaseRow, PersonRow
from explain_core.errors import InputError

COLUMNS = ("item", "rater", "answer")


@dataclass(frozen=True)
class Read:
    """A label of a file, checked by itself."""

    line: int
    item: str
    rater: str
    answer: str | None
    key: str
    at: datetime | None = None
    late: bool = False
    flagged: bool = False
    note: str = ""
    active_ms: int | None = None
    shapes: Mapping[str, Any] | None = None
    supersedes: str | None = None


@dataclass(frozen=True)
class Imported:
    """How many labels were added, and how many were there already; people who had not been known."""

    added: int
    known: int
    people: tuple[str, ...]


def import_labels(
    database: Database, campaign: str, text: str, *, by: str, clock: Callable[[], datetime] = now
) -> Imported:
    """Adds the labels of a file's text to a campaign; raises InputError at the first line that does not fit.

    Raters who are not known become people who may not answer, until an admin makes them active.
    """
    with database.write() as session:
        allowed(session, by, "organise")
        row = found(session, campaign)
        database.hold(session, f"campaign {row.id}")
        read = list(_read(text, get_question(row.question), campaign))
        adding = _Adding(session, row, by, clock())
        for label in read:
            adding.add(label)
        told = {"campaign": campaign, "added": adding.added, "known": adding.known}
        audit.record(session, clock(), by, "import", told)
        return Imported(adding.added, adding.known, tuple(adding.people))


class _Adding:
    """One file on its way into the store."""

    def __init__(self, session: Session, campaign: CampaignRow, by: str, moment: datetime) -> None:
        self.session, self.by, self.moment = session, by, moment
        self.items = {
            item.name: item for item in session.scalars(select(ItemRow).where(ItemRow.campaign_id == campaign.id))
        }
        self.added = self.known = 0
        self.people: list[str] = []

    def add(self, read: Read) -> None:
        item = self.items.get(read.item)
        if item is None:
            raise _fault(read.line, f"the campaign has no item {read.item[:100]!r}")
        kept = self.session.scalar(select(LabelRow).where(LabelRow.key == read.key))
        if kept is not None:
            if (kept.item_id, kept.answer, kept.shapes) != (item.id, read.answer, dict(read.shapes or {})):
                raise _fault(read.line, f"the key {read.key!r} belongs to another label")
            self.known += 1
            return
        if not read.key or len(read.key) > LONGEST_KEY or len(read.note) > LONGEST_NOTE:
            raise _fault(read.line, f"a key has 1 to {LONGEST_KEY} characters, a note at most {LONGEST_NOTE}")
        person = self._person(read)
        last = labels.last(self.session, item.id, person.id)
        if read.supersedes != (last.key if last else None):
            raise _fault(read.line, f"{read.rater} has another answer about {read.item} already")
        if last is None:
            lease = LeaseRow(
                token=secrets.token_hex(16), item_id=item.id, person_id=person.id, granted=self.moment,
                expires=self.moment, state=RELEASED,
            )  # fmt: skip
            self.session.add(lease)
            self.session.flush()
        else:
            lease = self.session.get_one(LeaseRow, last.token)
        item.taken += (read.answer is not None) - (lease.state == ANSWERED)
        lease.state = RELEASED if read.answer is None else ANSWERED
        self._keep(read, item, person, lease, last)

    def _keep(self, read: Read, item: ItemRow, person: PersonRow, lease: LeaseRow, last: LabelRow | None) -> None:
        label = LabelRow(
            item_id=item.id, person_id=person.id, token=lease.token, key=read.key, answer=read.answer, late=read.late,
            flagged=read.flagged, note=read.note, active_ms=read.active_ms, shapes=dict(read.shapes or {}),
            supersedes=last.id if last else None, created=read.at or self.moment,
        )  # fmt: skip
        self.session.add(label)
        self.session.flush()
        audit.record(self.session, self.moment, self.by, audit.LABELLED, audit.label_detail(label))
        self.added += 1

    def _person(self, read: Read) -> PersonRow:
        row = self.session.scalar(select(PersonRow).where(PersonRow.name == read.rater))
        if row is None:
            if not NAME.fullmatch(read.rater):
                raise _fault(read.line, "the rater's name is no name of a person")
            row = PersonRow(name=read.rater, role="annotator", active=False, created=self.moment)
            self.session.add(row)
            self.session.flush()
            self.people.append(read.rater)
            told = {"name": row.name, "role": row.role, "active": False}
            audit.record(self.session, self.moment, self.by, "person", told)
        return row


def _read(text: str, question: Question, campaign: str) -> Iterator[Read]:
    lines = _jsonl(text) if text.lstrip().startswith("{") else _table(text, campaign)
    for label in lines:
        try:
            if label.answer is not None:
                question.answer(label.answer)
            check_shapes(question, label.shapes or {})
        except InputError as error:
            raise _fault(label.line, str(error).rstrip(".?")) from None
        yield label


def _table(text: str, campaign: str) -> Iterator[Read]:
    rows = csv.DictReader(io.StringIO(text))
    try:
        if not set(COLUMNS) <= set(rows.fieldnames or ()):
            raise InputError(f"A file of labels is JSON lines, or a table with the columns {', '.join(COLUMNS)}.")
        read = [(rows.line_num, row) for row in rows]
    except csv.Error as error:
        raise _fault(rows.line_num, f"it is no line of a table ({error})") from None
    for line, row in read:
        item, rater, answer = (str(row[name] or "").strip() for name in COLUMNS)
        note, drawn = str(row.get("note") or ""), _drawn(line, row)
        said = [campaign, item, rater, answer, *([drawn] if drawn else [])]
        digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        yield Read(line, item, rater, answer, f"file {digest[:40]}", note=note, shapes=drawn)


def _drawn(line: int, row: Mapping[str, str | None]) -> dict[str, Any]:
    """A table's ellipse, in columns that are all numbers or all empty."""
    cells = [row.get(name) or "" for name in ELLIPSE]
    try:
        return ellipse_from(cells) if any(cells) else {}
    except InputError as error:
        raise _fault(line, str(error).rstrip(".")) from None


def _jsonl(text: str) -> Iterator[Read]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            at = datetime.fromisoformat(_of(values, "at", str))
            yield Read(
                number, _of(values, "item", str), _of(values, "rater", str), _of(values, "answer", str, None),
                _of(values, "key", str), at.astimezone(UTC), _of(values, "late", bool), _of(values, "flagged", bool),
                _of(values, "note", str), _of(values, "active_ms", int, None), _of(values, "shapes", dict),
                _of(values, "supersedes", str, None),
            )  # fmt: skip
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
            raise _fault(number, f"it is no label ({str(error)[:100]})") from None


def _of(values: Any, name: str, kind: type, *other: object) -> Any:
    """A value of a kind, or one of the others; raises KeyError, TypeError."""
    value = values[name]
    if value in other or (isinstance(value, kind) and not (kind is int and isinstance(value, bool))):
        return value
    raise TypeError(f"{name} is no {kind.__name__}")


def _fault(line: int, why: str) -> InputError:
    return InputError(f"Line {line}: {why}; nothing of the file was imported.")
