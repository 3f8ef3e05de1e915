"""Decisions of named people about items, and what was frozen to train on; both only grow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from annotations.migrations.versions.v0002_labels import refuse_changes

revision = "0003"
down_revision = "0002"
ONLY_GROW = ("adjudications", "retrainings")


def upgrade() -> None:
    op.create_table(
        "adjudications",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("answer", sa.String(40)),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_adjudications"),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name="fk_adjudications_item_id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_adjudications_person_id"),
    )
    op.create_index("ix_adjudications_item", "adjudications", ["item_id", "id"])
    op.create_table(
        "retrainings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("manifest_sha256", sa.String(64), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("author", sa.String(80), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_retrainings"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_retrainings_campaign_id"),
    )
    for table in ONLY_GROW:
        refuse_changes(table)
