"""What Alembic runs: the migrations, on the connection that `annotations.database` hands over."""

from __future__ import annotations

from alembic import context

from annotations.tables import Base

# SQLite alters a table by making it anew.
context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
context.run_migrations()
