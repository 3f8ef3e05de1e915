"""A named person's decision about an item: it goes before what raters answered, and overwrites nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from annotations import audit
from annotations.campaigns import found
from annotations.database import Database
from annotations.people import allowed
from annotations.questions import get_question
from annotations.queue import LONGEST_NOTE
from annotations.runs import now
from annotations.tables import AdjudicationRow, CampaignRow, ItemRow, PersonRow
from explain_core.errors import InputError, suggest


@dataclass(frozen=True)
class Decision:
    """What `by` decided, and why; without an answer it took the one before back."""

    item: str
    class_name: str
    answer: str | None
    by: str
    note: str
    at: datetime


class Adjudications:
    """The table of decisions; its methods raise StoreError, InputError, RightsError."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database, self._clock = database, clock

    def decide(self, campaign: str, item: str, answer: str | None, *, by: str, note: str = "") -> Decision:
        """Keeps a decision about an item that was asked; None takes the one that stands back."""
        if len(note) > LONGEST_NOTE:
            raise InputError(f"A note of {len(note)} characters: at most {LONGEST_NOTE}.")
        with self._database.write() as session:
            person, row = allowed(session, by, "adjudicate"), found(session, campaign)
            self._database.hold(session, f"campaign {row.id}")
            about = _asked(session, row, item)
            if answer is not None:
                get_question(row.question).answer(answer)
            elif item not in decisions(session, row):
                raise InputError(f"Nothing is decided about item {item}, so there is nothing to take back.")
            made = AdjudicationRow(
                item_id=about.id, person_id=person.id, answer=answer, note=note, created=self._clock()
            )
            session.add(made)
            session.flush()
            audit.record(session, made.created, by, audit.ADJUDICATED, audit.adjudication_detail(made))
            return Decision(item, about.class_name, answer, by, note, made.created)

    def find(self, campaign: str) -> dict[str, Decision]:
        """The decisions that stand, by item."""
        with self._database.read() as session:
            return decisions(session, found(session, campaign))

    def pictures(self, campaign: str, item: str) -> dict[str, Path]:
        """Where an item's pictures lie, by what they are."""
        with self._database.read() as session:
            row = found(session, campaign)
            return {name: Path(row.bundle) / place for name, place in _asked(session, row, item).pictures.items()}


def decisions(session: Session, campaign: CampaignRow) -> dict[str, Decision]:
    """Of each item the newest decision, unless that took one back; by item."""
    newest = select(func.max(AdjudicationRow.id)).group_by(AdjudicationRow.item_id)
    asked = (
        select(AdjudicationRow, ItemRow, PersonRow.name).join(ItemRow).join(PersonRow)
        .where(ItemRow.campaign_id == campaign.id, AdjudicationRow.id.in_(newest), AdjudicationRow.answer.is_not(None))
        .order_by(ItemRow.name)
    )  # fmt: skip
    return {
        item.name: Decision(item.name, item.class_name, row.answer, person, row.note, row.created)
        for row, item, person in session.execute(asked).all()
    }


def _asked(session: Session, campaign: CampaignRow, name: str) -> ItemRow:
    """The item of this name; raises InputError where there is none, or its answer was known before."""
    item = session.scalar(select(ItemRow).where(ItemRow.campaign_id == campaign.id, ItemRow.name == name))
    if item is None:
        names = session.scalars(select(ItemRow.name).where(ItemRow.campaign_id == campaign.id, ItemRow.kind == "ask"))
        raise InputError(f"The campaign {campaign.name} has no item {name[:100]!r}: {suggest(name, names)}")
    if item.kind != "ask":
        raise InputError(f"Item {name} is of kind {item.kind}: only items that were asked are decided about.")
    return item
