"""The tables.  A change here needs a migration (annotations/migrations); a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Double, ForeignKey, Index, MetaData, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, configure_mappers, mapped_column
from sqlalchemy.types import TypeDecorator

from explain_core.records import RunState

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Utc(TypeDecorator[datetime]):
    """A moment, kept in UTC and read with its time zone, also where the database knows none."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {datetime: Utc, float: Double, dict[str, Any]: JSON, RunState: String(16)}  # noqa: RUF012


class RunRow(Base):
    """A piece of long work; its fields are those of `explain_core.records.Run`."""

    __tablename__ = "runs"
    __table_args__ = (Index("ix_runs_queue", "state", "created"), Index("ix_runs_out", "out"))

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(String(200))
    spec: Mapped[dict[str, Any]]
    state: Mapped[RunState]
    out: Mapped[str] = mapped_column(Text)
    created: Mapped[datetime]
    wants: Mapped[str] = mapped_column(String(40))
    started: Mapped[datetime | None]
    finished: Mapped[datetime | None]
    progress: Mapped[float] = mapped_column(default=0.0)
    base: Mapped[float] = mapped_column(default=0.0)
    note: Mapped[str] = mapped_column(String(200), default="")
    device: Mapped[str | None] = mapped_column(String(40))
    attempt: Mapped[int] = mapped_column(default=0)
    losses: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(String(100))
    host: Mapped[str | None] = mapped_column(String(100))
    pid: Mapped[int | None]
    heartbeat: Mapped[datetime | None]
    cancel_asked: Mapped[bool] = mapped_column(default=False)
    error: Mapped[str | None] = mapped_column(Text)


class MetricRow(Base):
    """One point of a run's curves; a figure that is not finite is null."""

    __tablename__ = "run_metrics"
    __table_args__ = (Index("ix_run_metrics_curve", "run_id", "name", "step"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    step: Mapped[int]
    name: Mapped[str] = mapped_column(String(100))
    value: Mapped[float | None]


class ModelRow(Base):
    """A registered model: a name and a version, and what it was made from.  Never changed."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    version: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    folder: Mapped[str] = mapped_column(Text)
    recipe: Mapped[str] = mapped_column(Text)
    data_sha256: Mapped[str] = mapped_column(String(64))
    metrics: Mapped[dict[str, Any]]
    created: Mapped[datetime]


class DatasetRow(Base):
    """A data set as it was; its manifest, a file, lists every item.  Never changed."""

    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    version: Mapped[int]
    spec: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    n: Mapped[int]
    manifest: Mapped[dict[str, Any]]
    created: Mapped[datetime]


class PersonRow(Base):
    """Somebody who answers or organises; a person is made inactive, never removed, for labels name them."""

    __tablename__ = "people"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    role: Mapped[str] = mapped_column(String(16))
    active: Mapped[bool]
    created: Mapped[datetime]


class CampaignRow(Base):
    """A question about the items of a bundle: `overlap` people answer each, and `most` where they disagree."""

    __tablename__ = "campaigns"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    title: Mapped[str] = mapped_column(String(200))
    question: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(16))
    overlap: Mapped[int]
    most: Mapped[int]
    lease_s: Mapped[int]
    bundle: Mapped[str] = mapped_column(Text)
    bundle_sha256: Mapped[str] = mapped_column(String(64))
    spec: Mapped[dict[str, Any]]
    author: Mapped[str] = mapped_column(String(80))
    created: Mapped[datetime]


class ItemRow(Base):
    """One thing to answer about.

    `wanted` people shall answer it (0: everybody), `taken` have or are about to; `told` is what its maker recorded.
    """

    __tablename__ = "items"
    __table_args__ = (UniqueConstraint("campaign_id", "name"), Index("ix_items_place", "campaign_id", "place"))

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    name: Mapped[str] = mapped_column(String(100))
    place: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    repeats: Mapped[str | None] = mapped_column(String(100))
    truth: Mapped[str | None] = mapped_column(String(40))
    class_name: Mapped[str] = mapped_column(String(200))
    pictures: Mapped[dict[str, Any]]
    told: Mapped[dict[str, Any]]
    wanted: Mapped[int]
    taken: Mapped[int]


class LeaseRow(Base):
    """An item in one person's hands, until it is answered or skipped, or its time is over."""

    __tablename__ = "leases"
    __table_args__ = (Index("ix_leases_item", "item_id", "person_id"), Index("ix_leases_state", "state", "expires"))

    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    granted: Mapped[datetime]
    expires: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16))


class LabelRow(Base):
    """An answer, never changed: another one `supersedes` it, and one without an answer withdraws it."""

    __tablename__ = "labels"
    __table_args__ = (
        UniqueConstraint("key"), UniqueConstraint("supersedes"), Index("ix_labels_item", "item_id", "person_id"),
        Index("ix_labels_person", "person_id", "id"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    token: Mapped[str] = mapped_column(ForeignKey("leases.token"))
    key: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str | None] = mapped_column(String(40))
    late: Mapped[bool]
    flagged: Mapped[bool]
    note: Mapped[str] = mapped_column(Text)
    active_ms: Mapped[int | None]
    shapes: Mapped[dict[str, Any]]
    supersedes: Mapped[int | None] = mapped_column(ForeignKey("labels.id"))
    created: Mapped[datetime]


class AdjudicationRow(Base):
    """What a named person decided about an item, never changed: the newest one stands; without an answer, none does."""

    __tablename__ = "adjudications"
    __table_args__ = (Index("ix_adjudications_item", "item_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    answer: Mapped[str | None] = mapped_column(String(40))
    note: Mapped[str] = mapped_column(Text)
    created: Mapped[datetime]


class RetrainingRow(Base):
    """A manifest that was frozen, when the campaign had so many `labels` (rows); `folder` from that of the runs."""

    __tablename__ = "retrainings"

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    folder: Mapped[str] = mapped_column(Text)
    labels: Mapped[int]
    author: Mapped[str] = mapped_column(String(80))
    created: Mapped[datetime]


class AuditRow(Base):
    """What was done, by whom; each entry's hash covers the one before.  The database refuses to change it."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    moment: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(80))
    what: Mapped[str] = mapped_column(String(40))
    detail: Mapped[str] = mapped_column(Text)
    before: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AuditHeadRow(Base):
    """Where the audit log stands: one row, locked by whoever writes an entry."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entries: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))


configure_mappers()  # now, and not in each process that is forked from one that has this module
