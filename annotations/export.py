"""Labels as files.  To add a form: its row in EXPORTS.

`jsonl` is the whole history, a label a line, as `annotations/importing.py` reads it; `csv` has the answers that count;
`coco` what raters drew.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from annotations import labels
from annotations.campaigns import found
from annotations.coco import as_coco
from annotations.database import Database
from annotations.shapes import ELLIPSE
from annotations.tables import CampaignRow, ItemRow, LabelRow, PersonRow
from explain_core.errors import InputError, suggest

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


@dataclass(frozen=True)
class Label:
    """A label with names in the place of numbers; `supersedes` is the key of the one before, `at` in ISO 8601, UTC.

    `counts` is whether it is the person's present answer about the item; a label without an answer took one back.
    """

    campaign: str
    item: str
    class_name: str
    kind: str
    repeats: str | None
    truth: str | None
    rater: str
    answer: str | None
    key: str
    at: str
    late: bool
    flagged: bool
    note: str
    active_ms: int | None
    shapes: Mapping[str, Any]
    supersedes: str | None
    counts: bool


def read_labels(database: Database, campaign: str) -> list[Label]:
    """All labels of a campaign, the oldest first; raises InputError, StoreError."""
    with database.read() as session:
        return labels_of(session, found(session, campaign))


def labels_of(session: Session, row: CampaignRow) -> list[Label]:
    """All labels of a campaign, the oldest first."""
    counting = set(session.scalars(labels.counting(row).with_only_columns(LabelRow.id)))
    asked = select(LabelRow, ItemRow, PersonRow.name).join(ItemRow).join(PersonRow)
    rows = session.execute(asked.where(ItemRow.campaign_id == row.id).order_by(LabelRow.id)).all()
    keys = {label.id: label.key for label, _, _ in rows}
    return [
        Label(
            row.name, item.name, item.class_name, item.kind, item.repeats, item.truth, rater, label.answer,
            label.key, label.created.isoformat(), label.late, label.flagged, label.note, label.active_ms,
            label.shapes, keys.get(label.supersedes or 0), label.id in counting,
        )
        for label, item, rater in rows
    ]  # fmt: skip


@dataclass(frozen=True)
class Answered:
    """A campaign to write down: its bundle's `folder`, in it each item's original picture, and all labels."""

    folder: Path
    pictures: Mapping[str, str]
    labels: Sequence[Label]


def as_jsonl(answered: Answered) -> str:
    return "".join(json.dumps(asdict(label), ensure_ascii=False, sort_keys=True) + "\n" for label in answered.labels)


def as_csv(answered: Answered) -> str:
    """The answers that count, an ellipse in columns; a text that looks like a formula begins with an apostrophe."""
    buffer = io.StringIO()
    names = [name for name in Label.__dataclass_fields__ if name not in ("shapes", "supersedes", "counts")]
    writer = csv.DictWriter(buffer, [*names, *ELLIPSE], extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    counting = ({**asdict(label), **label.shapes.get("ellipse", {})} for label in answered.labels if label.counts)
    writer.writerows({name: _cell(value) for name, value in label.items()} for label in counting)
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


@dataclass(frozen=True)
class Form:
    """A kind of file; one that is `drawn` is only about what raters drew."""

    name: str
    title: str
    suffix: str
    function: Callable[[Answered], str]
    drawn: bool = False


ROWS = (
    Form("jsonl", "Labels (JSONL)", ".jsonl", as_jsonl),
    Form("csv", "Labels (CSV)", ".csv", as_csv),
    Form("coco", "Ellipses (COCO)", ".coco.json", as_coco, drawn=True),
)
FOLDER = "folder"
"""A form that is no text: `annotations/folder.py` writes it."""
EXPORTS: Mapping[str, Form] = MappingProxyType({row.name: row for row in ROWS})


def export(database: Database, campaign: str, form: str) -> str:
    """The text of a file; raises InputError for a form, campaign or picture that there is not, StoreError."""
    if form not in EXPORTS:
        raise InputError(f"Form {form!r}: {suggest(form, [*EXPORTS, FOLDER])}")
    with database.read() as session:
        row = found(session, campaign)
        items = session.scalars(select(ItemRow).where(ItemRow.campaign_id == row.id))
        pictures = {item.name: item.pictures["original"] for item in items if "original" in item.pictures}
        answered = Answered(Path(row.bundle), pictures, labels_of(session, row))
    return EXPORTS[form].function(answered)
