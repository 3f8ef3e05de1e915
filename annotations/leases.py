"""Who may have which item: leases granted, put down and run out, in the transaction of whoever asks."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, or_, select, update
from sqlalchemy.orm import Session, aliased

from annotations.tables import CampaignRow, ItemRow, LeaseRow, PersonRow

OPEN, ANSWERED, SKIPPED, EXPIRED, RELEASED = "open", "answered", "skipped", "expired", "released"


def grant(session: Session, campaign: CampaignRow, item: ItemRow, person: PersonRow, moment: datetime) -> LeaseRow:
    """The item in this person's hands."""
    item.taken += 1
    lease = LeaseRow(
        token=secrets.token_hex(16), item_id=item.id, person_id=person.id, granted=moment,
        expires=moment + timedelta(seconds=campaign.lease_s), state=OPEN,
    )  # fmt: skip
    session.add(lease)
    session.flush()
    return lease


def held(session: Session, campaign: CampaignRow, person: PersonRow) -> LeaseRow | None:
    """What this person has in hand."""
    return session.scalar(_open(campaign, person).order_by(LeaseRow.granted.desc()).limit(1))


def expire(session: Session, campaign: CampaignRow, moment: datetime) -> None:
    """Leases of a campaign whose time is over give their place to somebody else."""
    over = (LeaseRow.state == OPEN, LeaseRow.expires < moment, ItemRow.campaign_id == campaign.id)
    for lease in session.scalars(select(LeaseRow).join(ItemRow).where(*over)):
        _put_down(session, lease, EXPIRED)


def release(session: Session, campaign: CampaignRow, person: PersonRow) -> None:
    """Whatever this person has in hand goes back to the queue."""
    for lease in session.scalars(_open(campaign, person)):
        _put_down(session, lease, RELEASED)


def _open(campaign: CampaignRow, person: PersonRow) -> Select[LeaseRow]:
    mine = (LeaseRow.person_id == person.id, LeaseRow.state == OPEN)
    return select(LeaseRow).join(ItemRow).where(ItemRow.campaign_id == campaign.id, *mine)


def _put_down(session: Session, lease: LeaseRow, state: str) -> None:
    lease.state = state
    session.execute(update(ItemRow).where(ItemRow.id == lease.item_id).values(taken=ItemRow.taken - 1))


def free(session: Session, campaign: CampaignRow, person: PersonRow) -> ItemRow | None:
    """The first item in the campaign's order that this person may have; those put off come last."""
    for skipped in (False, True):
        asked = select(ItemRow).where(*offered(campaign, person, skipped=skipped)).order_by(ItemRow.place).limit(1)
        item = session.scalar(asked)
        if item is not None:
            return item
    return None


def offered(campaign: CampaignRow, person: PersonRow, *, skipped: bool) -> list[ColumnElement[bool]]:
    """Wanted by somebody, not had by this person yet; a repeat only once what it repeats is answered."""
    had = (ANSWERED, OPEN) if skipped else (ANSWERED, OPEN, SKIPPED)
    mine = select(LeaseRow.item_id).where(LeaseRow.person_id == person.id, LeaseRow.state.in_(had))
    original, lease = aliased(ItemRow), aliased(LeaseRow)
    answered = (
        select(original.name).join(lease, lease.item_id == original.id)
        .where(original.campaign_id == campaign.id, lease.person_id == person.id, lease.state == ANSWERED)
    )  # fmt: skip
    return [
        ItemRow.campaign_id == campaign.id,
        ItemRow.kind != "practice",
        or_(ItemRow.wanted == 0, ItemRow.taken < ItemRow.wanted),
        ItemRow.id.not_in(mine),
        or_(ItemRow.repeats.is_(None), ItemRow.repeats.in_(answered)),
    ]
