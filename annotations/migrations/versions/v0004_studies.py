"""Reader studies: what is frozen when one is set up, readers, drafts, and locked readings, which only grow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from annotations.migrations.versions.v0002_labels import refuse_changes

revision = "0004"
down_revision = "0003"
ONLY_GROW = ("study_arms", "study_cases", "study_explanations", "study_readers", "readings")
FROZEN = (
    "id", "name", "title", "bundle_sha256", "lexicon", "lexicon_sha256", "seed", "washout_s", "idle_s", "spec",
    "setup_sha256", "author", "created",
)  # fmt: skip
"""Of a study: all but its state, and the place of its bundle, which a restored backup has elsewhere."""


def upgrade() -> None:
    _setup()
    _cases()
    _reads()
    _readings()
    for table in ONLY_GROW:
        refuse_changes(table)
    _freeze_studies()


def _setup() -> None:
    op.create_table(
        "studies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=False),
        sa.Column("bundle_sha256", sa.String(64), nullable=False),
        sa.Column("lexicon", sa.JSON(), nullable=False),
        sa.Column("lexicon_sha256", sa.String(64), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("washout_s", sa.Integer(), nullable=False),
        sa.Column("idle_s", sa.Integer(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("setup_sha256", sa.String(64), nullable=False),
        sa.Column("author", sa.String(80), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_studies"),
        sa.UniqueConstraint("name", name="uq_studies_name"),
    )
    op.create_table(
        "study_arms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("methods", sa.JSON(), nullable=False),
        sa.Column("output", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_study_arms"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_study_arms_study_id"),
        sa.UniqueConstraint("study_id", "name", name="uq_study_arms_study_id_name"),
    )


def _cases() -> None:
    op.create_table(
        "study_cases",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("practice", sa.Boolean(), nullable=False),
        sa.Column("films", sa.JSON(), nullable=False),
        sa.Column("truth", sa.JSON(), nullable=False),
        sa.Column("output", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_study_cases"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_study_cases_study_id"),
        sa.UniqueConstraint("study_id", "name", name="uq_study_cases_study_id_name"),
    )
    op.create_table(
        "study_explanations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("film", sa.String(64), nullable=False),
        sa.Column("method", sa.String(40), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_study_explanations"),
        sa.ForeignKeyConstraint(["case_id"], ["study_cases.id"], name="fk_study_explanations_case_id"),
        sa.UniqueConstraint("case_id", "film", "method", name="uq_study_explanations_case_id_film_method"),
    )


def _reads() -> None:
    op.create_table(
        "study_readers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("masks", sa.JSON(), nullable=False),
        sa.Column("order", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_study_readers"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_study_readers_study_id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_study_readers_person_id"),
        sa.UniqueConstraint("study_id", "person_id", name="uq_study_readers_study_id_person_id"),
    )
    op.create_table(
        "reading_drafts",
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("reader_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("active_ms", sa.Integer(), nullable=False),
        sa.Column("hidden_ms", sa.Integer(), nullable=False),
        sa.Column("idle", sa.Integer(), nullable=False),
        sa.Column("started", sa.DateTime(), nullable=False),
        sa.Column("touched", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("token", name="pk_reading_drafts"),
        sa.ForeignKeyConstraint(["reader_id"], ["study_readers.id"], name="fk_reading_drafts_reader_id"),
        sa.UniqueConstraint("reader_id", "position", "step", name="uq_reading_drafts_reader_id_position_step"),
    )


def _readings() -> None:
    op.create_table(
        "readings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("reader_id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("arm_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("session", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("lexicon_sha256", sa.String(64), nullable=False),
        sa.Column("explanations", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("active_ms", sa.Integer(), nullable=False),
        sa.Column("hidden_ms", sa.Integer(), nullable=False),
        sa.Column("idle", sa.Integer(), nullable=False),
        sa.Column("started", sa.DateTime(), nullable=False),
        sa.Column("locked", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_readings"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_readings_study_id"),
        sa.ForeignKeyConstraint(["reader_id"], ["study_readers.id"], name="fk_readings_reader_id"),
        sa.ForeignKeyConstraint(["case_id"], ["study_cases.id"], name="fk_readings_case_id"),
        sa.ForeignKeyConstraint(["arm_id"], ["study_arms.id"], name="fk_readings_arm_id"),
        sa.UniqueConstraint("key", name="uq_readings_key"),
        sa.UniqueConstraint(
            "reader_id", "position", "step", "version", name="uq_readings_reader_id_position_step_version"
        ),
    )
    op.create_index("ix_readings_study", "readings", ["study_id", "id"])


def _freeze_studies() -> None:
    """A study opens and closes; nothing else of it changes, and it is never deleted."""
    said = "of a study only the state changes"
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER studies_frozen BEFORE UPDATE OF {', '.join(FROZEN)} ON studies "
            f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
        )
        op.execute(
            f"CREATE TRIGGER studies_no_delete BEFORE DELETE ON studies BEGIN SELECT RAISE(ABORT, '{said}'); END"
        )
        return
    op.execute(
        f"CREATE FUNCTION studies_frozen() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{said}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER studies_frozen BEFORE UPDATE OF {', '.join(FROZEN)} OR DELETE ON studies "
        "FOR EACH ROW EXECUTE FUNCTION studies_frozen()"
    )
    op.execute(
        "CREATE TRIGGER studies_no_truncate BEFORE TRUNCATE ON studies "
        "FOR EACH STATEMENT EXECUTE FUNCTION studies_frozen()"
    )
