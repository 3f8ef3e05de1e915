"""Which answers count: those that no later one supersedes and that were not taken back."""

from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

from annotations.tables import CampaignRow, ItemRow, LabelRow, PersonRow


def last(session: Session, item: int, person: int) -> LabelRow | None:
    """The newest label of a person about an item, which may have taken the answer back."""
    mine = select(LabelRow).where(LabelRow.item_id == item, LabelRow.person_id == person)
    return session.scalar(mine.order_by(LabelRow.id.desc()).limit(1))


def counting(campaign: CampaignRow) -> Select[LabelRow]:
    """All answers of a campaign that count."""
    newer = aliased(LabelRow)
    return (
        select(LabelRow).join(ItemRow, ItemRow.id == LabelRow.item_id)
        .outerjoin(newer, newer.supersedes == LabelRow.id)
        .where(ItemRow.campaign_id == campaign.id, LabelRow.answer.is_not(None), newer.id.is_(None))
    )  # fmt: skip


def of(campaign: CampaignRow, person: PersonRow) -> Select[LabelRow]:
    """A person's answers that count."""
    return counting(campaign).where(LabelRow.person_id == person.id)
