"""The database is made, brought up to date, shared by processes; and says plainly why it cannot be used."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import delete, select, text

from annotations.adjudication import Adjudications
from annotations.audit import head, verify
from annotations.bundle import read_bundle
from annotations.campaigns import Campaigns, Plan
from annotations.database import HEAD, MIGRATIONS, Database, open_database
from annotations.export import read_labels
from annotations.people import People
from annotations.queue import Queue
from annotations.retraining import Retrainings
from annotations.runs import RunStore
from annotations.tables import Base, ModelRow, RunRow
from annotations.workspace import database_url, home, runs_folder
from explain_core.errors import StoreError
from tests.annotations.bundles import item, write_bundle

ROOT = Path(__file__).resolve().parents[2]


def test_migrations_from_nothing_make_the_tables_of_the_code(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        assert context.get_current_revision() == HEAD


def test_the_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def named(database: Database, name: str) -> None:
    """Registers a model of this name, and fails where it is empty."""
    with database.write() as session:
        session.add(ModelRow(name=name, version=1, sha256="", folder="", recipe="", data_sha256="", metrics={},
                             created=datetime.now(UTC)))  # fmt: skip
        session.flush()
        if not name:
            raise RuntimeError


def names(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(ModelRow.name)))


def at_revision(url: str, revision: str) -> Database:
    """A database as an earlier version left it."""
    old, config = Database(url), Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with old.engine.execution_options(rhoscope_writes=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    return old


def test_from_the_first_schema_to_the_last_nothing_is_lost(url: str) -> None:
    old = at_revision(url, "0001")
    named(old, "a")
    store = RunStore(old)
    run = store.submit("count", {"to": 3}, title="one", out=Path("somewhere"))
    new = open_database(url)
    assert names(new) == ["a"]
    assert RunStore(new).get(run.id) == run
    assert People(new).add("ada", "admin").role == "admin"
    assert verify(new).entries == 1
    for opened in (old, new):
        opened.engine.dispose()


def test_from_the_second_schema_to_the_last_nothing_is_lost(url: str, tmp_path: Path) -> None:
    old = at_revision(url, "0002")
    People(old).add("ada", "admin")
    bundle = read_bundle(write_bundle(tmp_path / "bundle", [item("a"), item("b")]))
    Campaigns(old).create("cats", bundle, by="ada", plan=Plan(1, 1))
    task = Queue(old).next("cats", "ada")
    assert task is not None
    Queue(old).answer(task.token, "unchanged", "k", note="an ear")
    (label,), noted = read_labels(old, "cats"), head(old)
    new = open_database(url)
    assert read_labels(new, "cats") == [label]
    before = verify(new, noted)
    assert before.head == noted
    Adjudications(new).decide("cats", "b", "changed", by="ada")
    made = Retrainings(new).freeze("cats", {}, rule="majority", by="ada", out=tmp_path / "out")
    assert made.is_file()
    assert verify(new, before.head).entries == before.entries + 2
    for opened in (old, new):
        opened.engine.dispose()


def test_opened_again_nothing_is_lost(database: Database) -> None:
    named(database, "a")
    again = open_database(database.url)
    assert names(again) == ["a"]
    again.engine.dispose()


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError):
        named(database, "")
    assert names(database) == []


def test_opened_by_several_processes_at_once_it_is_made_once(url: str) -> None:
    code = f"from annotations.database import open_database; open_database({url!r})"
    together = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    assert [(process.communicate()[1], process.returncode) for process in together] == [("", 0)] * 4


def test_sqlite_keeps_a_log_ahead_and_writers_begin_with_the_lock(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    with database.read() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
    other = Database(f"{database.url}?timeout=0.01")
    with database.write() as session:
        session.execute(delete(RunRow))
        assert names(other) == []  # readers are not held up
        with pytest.raises(StoreError, match="kept busy"):
            named(other, "a")
    for opened in (database, other):
        opened.engine.dispose()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("rhoscope.db", "no URL"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("oracles://host/name", "no 'oracles'"),
        ("sqlite:////proc/none/rhoscope.db", "Cannot make the folder"),
    ],
)
def test_an_address_that_cannot_be_used_is_said(url: str, told: str) -> None:
    with pytest.raises(StoreError, match=told) as caught:
        open_database(url)
    assert "\n" not in str(caught.value)
    assert "RHOSCOPE_DB" in str(caught.value)


def test_a_server_that_is_not_there_is_said_without_the_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError) as caught:
        open_database("postgresql://me:secret@127.0.0.1:1/name?connect_timeout=2")
    assert "me:***@127.0.0.1:1" in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(StoreError, match="no URL") as caught:
        open_database("me:secret@host")
    assert "secret" not in str(caught.value)


def test_a_file_that_is_read_only_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_database(f"sqlite:///{path}").engine.dispose()
    database = open_database(f"sqlite:///file:{path}?mode=ro&uri=true")
    with pytest.raises(StoreError, match="is read-only"), database.write() as session:
        session.execute(delete(RunRow))
    database.engine.dispose()


def test_a_file_that_is_something_else_is_said_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"a letter, and no database " * 100)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="no SQLite database"):
        open_database(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_newer_database_is_left_alone(database: Database) -> None:
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=re.escape("newer Rhoscope (its tables are at '9999'")):
        open_database(database.url)


def test_where_things_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RHOSCOPE_HOME", "RHOSCOPE_DB", "RHOSCOPE_RUNS"):
        monkeypatch.delenv(name, raising=False)
    assert home() == Path.home() / ".rhoscope"
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path))
    assert database_url() == f"sqlite:///{tmp_path}/rhoscope.db"
    assert runs_folder() == tmp_path / "runs"
    monkeypatch.setenv("RHOSCOPE_DB", "sqlite:////else/where.db")
    assert database_url() == "sqlite:////else/where.db"
