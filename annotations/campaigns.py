"""Campaigns: items from a bundle, a question, and how many people answer each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from annotations import audit
from annotations.bundle import Bundle
from annotations.database import Database
from annotations.people import allowed
from annotations.runs import now
from annotations.tables import CampaignRow, ItemRow, LabelRow
from explain_core.errors import InputError, ParamError, suggest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
MOST_RATERS, LONGEST_LEASE_S = 100, 86_400
OPEN, CLOSED = "open", "closed"


@dataclass(frozen=True)
class Plan:
    """`overlap` people answer an item, `most` of them where the first ones disagree; a lease lasts `lease_s`."""

    overlap: int = 2
    most: int = 3
    lease_s: int = 600

    def __post_init__(self) -> None:
        if not 1 <= self.overlap <= self.most <= MOST_RATERS:
            raise ParamError(f"overlap {self.overlap}, most {self.most}: 1 ≤ overlap ≤ most ≤ {MOST_RATERS}.")
        if not 1 <= self.lease_s <= LONGEST_LEASE_S:
            raise ParamError(f"A lease of {self.lease_s} s: give 1 to {LONGEST_LEASE_S} seconds.")


@dataclass(frozen=True)
class Campaign:
    name: str
    title: str
    question: str
    state: str
    plan: Plan
    bundle: Path
    bundle_sha256: str
    spec: Mapping[str, Any]
    author: str
    created: datetime
    items: int
    answers: int


class Campaigns:
    """The table of campaigns; methods raise StoreError, InputError, ParamError, RightsError."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database, self._clock = database, clock

    def create(self, name: str, bundle: Bundle, *, by: str, plan: Plan | None = None) -> Campaign:
        """Opens a campaign about a bundle's items, all of them or none."""
        if not NAME.fullmatch(name):
            raise InputError(f"Campaign {name[:120]!r}: a letter or digit, then letters, digits, dashes; at most 100.")
        plan = plan or Plan()
        with self._database.write() as session:
            allowed(session, by, "organise")
            self._database.hold(session, "campaigns")
            if session.scalar(select(CampaignRow.id).where(CampaignRow.name == name)):
                raise InputError(f"There is a campaign {name!r} already: choose another name.")
            row = CampaignRow(
                name=name, title=bundle.title, question=bundle.question.name, state=OPEN, overlap=plan.overlap,
                most=plan.most, lease_s=plan.lease_s, bundle=str(bundle.folder.absolute()),
                bundle_sha256=bundle.sha256, spec=dict(bundle.spec), author=by, created=self._clock(),
            )  # fmt: skip
            session.add(row)
            session.flush()
            session.execute(insert(ItemRow), _items(row.id, bundle, plan))
            audit.record(
                session, row.created, by, "campaign", {"name": name, "bundle": bundle.sha256, "n": len(bundle.items)}
            )
            return _campaign(session, row)

    def get(self, name: str) -> Campaign:
        with self._database.read() as session:
            return _campaign(session, found(session, name))

    def find(self) -> list[Campaign]:
        """The newest first."""
        asked = select(CampaignRow).order_by(CampaignRow.created.desc(), CampaignRow.id.desc())
        with self._database.read() as session:
            return [_campaign(session, row) for row in session.scalars(asked)]

    def set_state(self, name: str, state: str, *, by: str) -> Campaign:
        """Closes a campaign (what is answered late is still kept), or opens it again."""
        if state not in (OPEN, CLOSED):
            raise InputError(f"State {state!r}: {suggest(state, (OPEN, CLOSED))}")
        with self._database.write() as session:
            allowed(session, by, "organise")
            row = found(session, name)
            row.state = state
            audit.record(session, self._clock(), by, "campaign", {"name": name, "state": state})
            return _campaign(session, row)


def found(session: Session, name: str) -> CampaignRow:
    """Raises InputError for a campaign that there is not."""
    row = session.scalar(select(CampaignRow).where(CampaignRow.name == name))
    if row is None:
        names = session.scalars(select(CampaignRow.name))
        raise InputError(f"No campaign is called {name!r}: {suggest(name, names)}")
    return row


def _items(campaign: int, bundle: Bundle, plan: Plan) -> list[dict[str, Any]]:
    """Gold items and repeats are for everybody, as far as they get."""
    return [
        {
            "campaign_id": campaign, "name": item.name, "place": place, "kind": item.kind, "repeats": item.repeats,
            "truth": item.truth, "class_name": item.class_name, "pictures": dict(item.pictures),
            "told": dict(item.told or {}), "wanted": plan.overlap if item.kind == "ask" else 0, "taken": 0,
        }
        for place, item in enumerate(bundle.items)
    ]  # fmt: skip


def _campaign(session: Session, row: CampaignRow) -> Campaign:
    items = session.scalar(select(func.count()).where(ItemRow.campaign_id == row.id)) or 0
    answered = select(LabelRow.item_id, LabelRow.person_id).join(ItemRow).where(ItemRow.campaign_id == row.id)
    answers = session.scalar(select(func.count()).select_from(answered.distinct().subquery())) or 0
    return Campaign(
        row.name, row.title, row.question, row.state, Plan(row.overlap, row.most, row.lease_s), Path(row.bundle),
        row.bundle_sha256, row.spec, row.author, row.created, items, answers,
    )  # fmt: skip
