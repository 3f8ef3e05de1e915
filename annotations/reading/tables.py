"""The tables of reader studies.  Rows of all but `studies` and `reading_drafts` only grow: the database refuses."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, configure_mappers, mapped_column

from annotations.tables import Base


class StudyRow(Base):
    """A study; only its `state` ever changes.  `setup_sha256` covers arms, cases, explanations and what follows."""

    __tablename__ = "studies"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    title: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(16))
    bundle: Mapped[str] = mapped_column(Text)
    bundle_sha256: Mapped[str] = mapped_column(String(64))
    lexicon: Mapped[dict[str, Any]]
    lexicon_sha256: Mapped[str] = mapped_column(String(64))
    seed: Mapped[int]
    washout_s: Mapped[int]
    idle_s: Mapped[int]
    spec: Mapped[dict[str, Any]]
    setup_sha256: Mapped[str] = mapped_column(String(64))
    author: Mapped[str] = mapped_column(String(80))
    created: Mapped[datetime]


class ArmRow(Base):
    """What the second step shows: explanations by these methods, and the model's output where `output`."""

    __tablename__ = "study_arms"
    __table_args__ = (UniqueConstraint("study_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    name: Mapped[str] = mapped_column(String(40))
    place: Mapped[int]
    methods: Mapped[list[str]] = mapped_column(JSON)
    output: Mapped[bool]


class CaseRow(Base):
    """Films by keyed names, with the hashes of their pixels; `truth` where it is known, and what the model said."""

    __tablename__ = "study_cases"
    __table_args__ = (UniqueConstraint("study_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    name: Mapped[str] = mapped_column(String(100))
    place: Mapped[int]
    practice: Mapped[bool]
    films: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    truth: Mapped[dict[str, Any]]
    output: Mapped[dict[str, Any]]


class ExplanationRow(Base):
    """What a method said of a film, locked by its file's hash; `failed` ones have none, and block their case."""

    __tablename__ = "study_explanations"
    __table_args__ = (UniqueConstraint("case_id", "film", "method"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("study_cases.id"))
    film: Mapped[str] = mapped_column(String(64))
    method: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(16))
    file: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(Text)


class ReaderRow(Base):
    """Somebody who reads: the order of cases and the letters of methods, and the seed that both were drawn with."""

    __tablename__ = "study_readers"
    __table_args__ = (UniqueConstraint("study_id", "person_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    place: Mapped[int]
    seed: Mapped[int]
    masks: Mapped[dict[str, Any]]
    order: Mapped[list[list[Any]]] = mapped_column(JSON)
    created: Mapped[datetime]


class DraftRow(Base):
    """A step that is being read: the one row of a read that changes, and goes when the step is locked."""

    __tablename__ = "reading_drafts"
    __table_args__ = (UniqueConstraint("reader_id", "position", "step"),)

    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    reader_id: Mapped[int] = mapped_column(ForeignKey("study_readers.id"))
    position: Mapped[int]
    step: Mapped[str] = mapped_column(String(16))
    answers: Mapped[dict[str, Any]]
    revision: Mapped[int]
    key: Mapped[str] = mapped_column(String(64))
    active_ms: Mapped[int]
    hidden_ms: Mapped[int]
    idle: Mapped[int]
    started: Mapped[datetime]
    touched: Mapped[datetime]


class ReadingRow(Base):
    """A locked step of a read.  Never changed: an amendment is the next `version`, and says its reason.

    `position` is the place in the reader's order; `explanations` the hashes of what was shown; `idle` how often the
    read was left alone until it locked.
    """

    __tablename__ = "readings"
    __table_args__ = (
        UniqueConstraint("key"), UniqueConstraint("reader_id", "position", "step", "version"),
        Index("ix_readings_study", "study_id", "id"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    reader_id: Mapped[int] = mapped_column(ForeignKey("study_readers.id"))
    case_id: Mapped[int] = mapped_column(ForeignKey("study_cases.id"))
    arm_id: Mapped[int] = mapped_column(ForeignKey("study_arms.id"))
    position: Mapped[int]
    session: Mapped[int]
    step: Mapped[str] = mapped_column(String(16))
    version: Mapped[int]
    answers: Mapped[dict[str, Any]]
    lexicon_sha256: Mapped[str] = mapped_column(String(64))
    explanations: Mapped[dict[str, Any]]
    reason: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(String(64))
    token: Mapped[str] = mapped_column(String(32))
    active_ms: Mapped[int]
    hidden_ms: Mapped[int]
    idle: Mapped[int]
    started: Mapped[datetime]
    locked: Mapped[datetime]


configure_mappers()
