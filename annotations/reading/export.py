"""A study as tables in long form, a row for each locked step, finding or explanation.  To add one: its row in TABLES.

`counts` says which version an analysis goes by: of a final step the newest; of an unaided one the newest that was
locked before its explanation was shown, for what came later had seen it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from annotations.database import Database
from annotations.export import FORMULA
from annotations.reading.answers import FINAL, UNAIDED
from annotations.reading.froc import hits
from annotations.reading.lexicon import CASE, FINDING, Lexicon
from annotations.reading.studies import check_setup, found, lexicon_of
from annotations.reading.tables import ArmRow, CaseRow, DraftRow, ReaderRow, ReadingRow, StudyRow
from annotations.tables import PersonRow
from explain_core.errors import InputError, suggest

Row = dict[str, Any]


@dataclass(frozen=True)
class Read:
    """A locked step, with names in the place of numbers; `methods` by the letters that stood for them."""

    study: str
    reader: str
    case: str
    practice: bool
    arm: str
    methods: Mapping[str, str]
    output: bool
    session: int
    position: int
    step: str
    version: int
    counts: bool
    label: int | None
    films: tuple[str, ...]
    regions: Sequence[Mapping[str, Any]]
    answers: Mapping[str, Any]
    explanations: Mapping[str, Mapping[str, str]]
    lexicon_sha256: str
    reason: str
    active_ms: int
    hidden_ms: int
    idle: int
    started: datetime
    locked: datetime


@dataclass(frozen=True, eq=False)
class Told:
    """All of a study that is locked, the oldest first."""

    lexicon: Lexicon
    reads: tuple[Read, ...]

    @property
    def counting(self) -> list[Read]:
        """What an analysis goes by: no practice, and of each step one version."""
        return [read for read in self.reads if read.counts and not read.practice]


def read_told(database: Database, study: str) -> Told:
    """Raises InputError, and StoreError where the set-up is not what it was."""
    with database.read() as session:
        return told_in(session, found(session, study))


def told_in(session: Session, row: StudyRow) -> Told:
    """The same in the transaction of whoever asks."""
    check_setup(session, row)
    asked = (
        select(ReadingRow, ReaderRow, PersonRow.name, CaseRow, ArmRow)
        .join(ReaderRow, ReaderRow.id == ReadingRow.reader_id).join(PersonRow, PersonRow.id == ReaderRow.person_id)
        .join(CaseRow, CaseRow.id == ReadingRow.case_id).join(ArmRow, ArmRow.id == ReadingRow.arm_id)
        .where(ReadingRow.study_id == row.id).order_by(ReadingRow.id)
    )  # fmt: skip
    rows: list[tuple[Any, ...]] = [tuple(each) for each in session.execute(asked).all()]
    counting = _counting(session, [each[0] for each in rows])
    return Told(lexicon_of(row), tuple(_read(row.name, each, counting) for each in rows))


def export(database: Database, study: str, table: str) -> str:
    """The text of a CSV file; raises InputError for a study or table that there is not, StoreError."""
    if table not in TABLES:
        raise InputError(f"Table {table!r}: {suggest(table, TABLES)}")
    told = read_told(database, study)
    rows = list(TABLES[table](told))
    buffer = io.StringIO()
    if rows:
        writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return buffer.getvalue()


def readings(told: Told) -> Iterator[Row]:
    """A row for each locked step: who, what, when, the truth, and what was answered about the case."""
    fields = told.lexicon.about(CASE)
    for read in told.reads:
        yield {
            **_who(read), "truth": read.label, "score": read.answers["score"], "confidence": read.answers["confidence"],
            **{name: read.answers["fields"].get(name) for name in fields}, "findings": len(read.answers["findings"]),
            "active_ms": read.active_ms, "hidden_ms": read.hidden_ms,
            "open_ms": round((read.locked - read.started).total_seconds() * 1000), "idle": read.idle,
            "started": read.started.isoformat(), "locked": read.locked.isoformat(), "reason": read.reason,
            "lexicon": read.lexicon_sha256,
        }  # fmt: skip


def findings(told: Told) -> Iterator[Row]:
    """A row for each finding; `lesion` is the number of the true region that its middle lies in, from 1."""
    fields = told.lexicon.about(FINDING)
    for read in told.reads:
        marks = hits(read.answers["findings"], read.regions)
        for number, (finding, mark) in enumerate(zip(read.answers["findings"], marks, strict=True), 1):
            ((name, _),) = finding["shape"].items()
            yield {
                **_who(read), "truth": read.label, "finding": number, "film": finding["film"], "shape": name,
                "x": round(mark.x, 2), "y": round(mark.y, 2),
                "lesion": "" if mark.lesion is None else mark.lesion + 1,
                **{field: finding["fields"].get(field) for field in fields}, "score": finding["score"],
                "confidence": finding["confidence"],
            }  # fmt: skip


def explanations(told: Told) -> Iterator[Row]:
    """A row for each explanation that was shown in a final step, with the trust before from the unaided one."""
    before = {
        (read.reader, read.position): read.answers.get("trust", {})
        for read in told.reads if read.step == UNAIDED and read.counts
    }  # fmt: skip
    for read in told.reads:
        for letter, said in read.answers.get("explanations", {}).items():
            yield {
                **_who(read), "truth": read.label, "method": read.methods[letter], "letter": letter,
                "plausible": said["plausible"], "missing": len(said["missing"]), "misleading": len(said["misleading"]),
                "trust_before": before.get((read.reader, read.position), {}).get(letter), "trust_after": said["trust"],
                "sha256": " ".join(read.explanations.get(letter, {}).values()),
            }  # fmt: skip


def regions(told: Told) -> Iterator[Row]:
    """A row for each region that was drawn: findings, and parts that explanations miss or mislead with."""
    for read in told.reads:
        drawn = [("finding", "", one) for one in read.answers["findings"]]
        for letter, said in read.answers.get("explanations", {}).items():
            drawn += [(part, read.methods[letter], one) for part in ("missing", "misleading") for one in said[part]]
        for what, method, one in drawn:
            yield {**_who(read), "what": what, "method": method, "film": one["film"], "region": one["shape"]}


TABLES: Mapping[str, Callable[[Told], Iterator[Row]]] = MappingProxyType(
    {"readings": readings, "findings": findings, "explanations": explanations, "regions": regions}
)


def _who(read: Read) -> Row:
    shows = "+".join([*sorted(read.methods.values()), *(["output"] if read.output else [])]) or "nothing"
    return {
        "study": read.study, "reader": read.reader, "case": read.case, "arm": read.arm, "shows": shows,
        "session": read.session, "position": read.position, "practice": int(read.practice), "step": read.step,
        "version": read.version, "counts": int(read.counts),
    }  # fmt: skip


def _read(study: str, each: tuple[Any, ...], counting: set[int]) -> Read:
    row, reader, name, case, arm = each
    letters = {reader.masks[method]: method for method in arm.methods}
    return Read(
        study, name, case.name, case.practice, arm.name, letters, arm.output, row.session, row.position, row.step,
        row.version, row.id in counting, case.truth.get("label"), tuple(film["film"] for film in case.films),
        case.truth.get("regions", []), row.answers, row.explanations, row.lexicon_sha256, row.reason, row.active_ms,
        row.hidden_ms, row.idle, row.started, row.locked,
    )  # fmt: skip


def _counting(session: Session, rows: Sequence[ReadingRow]) -> set[int]:
    """Of each step the version that counts, by its number."""
    seen = {(row.reader_id, row.position): row.started for row in rows if row.step == FINAL and row.version == 1}
    readers = {row.reader_id for row in rows}
    for draft in session.scalars(select(DraftRow).where(DraftRow.reader_id.in_(readers), DraftRow.step == FINAL)):
        seen.setdefault((draft.reader_id, draft.position), draft.started)
    newest: dict[tuple[int, int, str], int] = {}
    for row in rows:
        shown = seen.get((row.reader_id, row.position))
        if row.step == FINAL or row.version == 1 or shown is None or row.locked < shown:
            newest[row.reader_id, row.position, row.step] = row.id
    return set(newest.values())


def _cell(value: Any) -> Any:
    if isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True)
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
