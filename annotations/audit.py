"""The audit log: who did what, when, as a chain of hashes that only grows.

    hash_n = SHA-256( n, moment, who, what, detail, hash_{n−1} ),   hash_0 = 64 zeros

An entry is written in the transaction of what it tells of, under a lock on the log's head, so that there is no
deed without its entry.  Triggers refuse to change entries, labels, decisions and what was frozen; whoever gets round
them is found by `verify`, and whoever puts a whole chain in its place by a head that was noted elsewhere.  To have rows
of another table checked: its row in KEPT.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from annotations.database import Database
from annotations.reading.tables import ReadingRow, StudyRow
from annotations.tables import AdjudicationRow, AuditHeadRow, AuditRow, LabelRow, RetrainingRow
from explain_core.errors import StoreError

START = "0" * 64
LABELLED, ADJUDICATED, RETRAINED, PROMOTED = "label", "adjudicate", "retrain", "promote"
STUDY, READ, STUDY_LABELS = "study", "read", "study-labels"


@dataclass(frozen=True)
class Verified:
    """How many entries there are, and the head: note it elsewhere, and later `verify(head=…)` proves that nothing
    before it was changed."""

    entries: int
    head: str


@dataclass(frozen=True)
class Entry:
    number: int
    moment: datetime
    who: str
    what: str
    detail: Mapping[str, Any]


def record(session: Session, moment: datetime, who: str, what: str, detail: Mapping[str, Any]) -> str:
    """Adds an entry in the transaction of `session`; returns its hash.  Whoever comes second waits here."""
    head = session.get_one(AuditHeadRow, 1, with_for_update=True, populate_existing=True)
    text = json.dumps(detail, sort_keys=True, ensure_ascii=False)
    entry = AuditRow(id=head.entries + 1, moment=moment, who=who, what=what, detail=text, before=head.hash, hash="")
    entry.hash = head.hash = _hash(entry)
    head.entries = entry.id
    session.add(entry)
    session.flush()
    return entry.hash


def label_detail(label: LabelRow) -> dict[str, Any]:
    """What the log holds of a label: everything that counts."""
    return {
        "label": label.id, "item": label.item_id, "person": label.person_id, "answer": label.answer, "key": label.key,
        "flagged": label.flagged, "late": label.late, "note": label.note, "shapes": label.shapes,
        "supersedes": label.supersedes,
    }  # fmt: skip


def adjudication_detail(row: AdjudicationRow) -> dict[str, Any]:
    """What the log holds of a decision."""
    return {
        "adjudication": row.id, "item": row.item_id, "person": row.person_id, "answer": row.answer, "note": row.note,
    }  # fmt: skip


def retraining_detail(row: RetrainingRow) -> dict[str, Any]:
    """What the log holds of a manifest that was frozen."""
    return {
        "retraining": row.id, "campaign": row.campaign_id, "manifest": row.manifest_sha256, "folder": row.folder,
        "labels": row.labels,
    }  # fmt: skip


def file_detail(study: int, content: bytes) -> dict[str, Any]:
    """What the log holds of labels that were frozen out of a study."""
    return {"study": study, "sha256": hashlib.sha256(content).hexdigest()}


def study_detail(row: StudyRow) -> dict[str, Any]:
    """What the log holds of a study: `setup` covers arms, cases, explanations and lexicon."""
    return {"study": row.id, "name": row.name, "bundle": row.bundle_sha256, "setup": row.setup_sha256}


def reading_detail(row: ReadingRow) -> dict[str, Any]:
    """What the log holds of a locked reading: everything that counts."""
    return {
        "reading": row.id, "study": row.study_id, "reader": row.reader_id, "case": row.case_id, "arm": row.arm_id,
        "position": row.position, "step": row.step, "version": row.version, "answers": row.answers,
        "lexicon": row.lexicon_sha256, "explanations": row.explanations, "reason": row.reason, "key": row.key,
        "active_ms": row.active_ms, "hidden_ms": row.hidden_ms, "idle": row.idle,
        "started": row.started.isoformat(), "locked": row.locked.isoformat(),
    }  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """Rows of `table` that never change: `detail` is what their entry tells, with the row's number under `name`."""

    name: str
    table: Any
    detail: Callable[[Any], dict[str, Any]]


KEPT: Mapping[str, Kept] = MappingProxyType(
    {
        LABELLED: Kept("label", LabelRow, label_detail),
        ADJUDICATED: Kept("adjudication", AdjudicationRow, adjudication_detail),
        RETRAINED: Kept("retraining", RetrainingRow, retraining_detail),
        STUDY: Kept("study", StudyRow, study_detail),
        READ: Kept("reading", ReadingRow, reading_detail),
    }
)
"""By what their entries are called."""


def verify(database: Database, head: str | None = None) -> Verified:
    """Reads the whole log; raises StoreError at the first entry or row that is not as it was written.

    With `head`, noted earlier, also where the log does not go on from there.
    """
    before, number, seen = START, 0, head in (None, START)
    with database.read() as session:
        rows = {
            (what, row.id): kept.detail(row)
            for what, kept in KEPT.items()
            for row in session.scalars(select(kept.table))
        }
        for entry in session.scalars(select(AuditRow).order_by(AuditRow.id)):
            number += 1
            if (entry.id, entry.before, entry.hash) != (number, before, _hash(entry)):
                raise StoreError(f"Entry {number} of the audit log was changed or taken out: restore a backup.")
            if kept := KEPT.get(entry.what):
                detail = json.loads(entry.detail)
                row = detail[kept.name]
                if rows.pop((entry.what, row), None) != detail:
                    raise StoreError(
                        f"{kept.name.capitalize()} {row} is not what entry {number} tells: restore a backup."
                    )
            before = entry.hash
            seen = seen or before == head
        end = session.get_one(AuditHeadRow, 1)
        if (end.entries, end.hash) != (number, before):
            raise StoreError(f"The audit log ends at entry {number}, its head names {end.entries}: restore a backup.")
    if rows:
        what, row = min(rows)
        raise StoreError(f"{KEPT[what].name.capitalize()} {row} is in no entry of the audit log: restore a backup.")
    if not seen:
        raise StoreError(
            f"The audit log does not go on from the head {str(head)[:12]}…: it was replaced, or that is of another."
        )
    return Verified(number, before)


def entries(database: Database, *, most: int = 200, before: int | None = None) -> list[Entry]:
    """The newest first."""
    asked = select(AuditRow).order_by(AuditRow.id.desc()).limit(most)
    if before is not None:
        asked = asked.where(AuditRow.id < before)
    with database.read() as session:
        return [Entry(row.id, row.moment, row.who, row.what, json.loads(row.detail)) for row in session.scalars(asked)]


def head(database: Database) -> str:
    """The hash of the newest entry: as long as it stays, nothing in the store that the log tells of has changed."""
    with database.read() as session:
        return session.get_one(AuditHeadRow, 1).hash


def _hash(entry: AuditRow) -> str:
    told = [entry.id, entry.moment.isoformat(), entry.who, entry.what, entry.detail, entry.before]
    return hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()
