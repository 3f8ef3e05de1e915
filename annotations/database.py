"""The one database: runs, registered models, and labels.

RHOSCOPE_DB names it by any SQLAlchemy URL; by default it is a SQLite file in the workspace
(RHOSCOPE_HOME, or `.rhoscope` in the user's home).  SQLite is used by several processes at once: it
keeps a write-ahead log, a writer takes the write lock when its transaction begins, and whoever
finds it taken waits.  `open_database` brings the tables up to date.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from annotations.workspace import database_url
from explain_core.errors import StoreError

HEAD = "0004"
"""The newest migration; a database that has it needs no look at the others."""
MIGRATIONS = Path(__file__).with_name("migrations")
PATIENCE_S = 30
FORM = "give RHOSCOPE_DB such as sqlite:////folder/file.db or postgresql+psycopg://user@host/name"
_WRITES = {"rhoscope_writes": True}


class Database:
    """Transactions on the database at `url`, which has its tables already; raises StoreError."""

    def __init__(self, url: str) -> None:
        self.url = url
        parsed = _parsed(url)
        self.name = parsed.render_as_string(hide_password=True)
        self.engine = _engine(parsed, self.name)
        self._read = sessionmaker(self.engine)
        self._write = sessionmaker(self.engine.execution_options(**_WRITES))

    @contextmanager
    def read(self) -> Iterator[Session]:
        with self._faults(), self._read.begin() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Committed at the end, all or nothing; on SQLite no other writer comes between."""
        with self._faults(), self._write.begin() as session:
            yield session

    def hold(self, session: Session, what: str) -> None:
        """Nobody else holds `what` until this transaction ends; SQLite has one writer at a time anyway."""
        if self.engine.dialect.name == "postgresql":
            session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:what))"), {"what": what})

    def upgrade(self) -> None:
        """Brings the tables up to date; two that come at once do it in turn."""
        with self._faults():
            with self.engine.connect() as connection:
                if _revision(connection) == HEAD:
                    return
            with self.engine.execution_options(**_WRITES).begin() as connection:
                if self.engine.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('rhoscope migrations'))"))
                _migrate(connection, self.name)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise StoreError(f"The database {self.name} {_reason(error)}") from error


def open_database(url: str | None = None) -> Database:
    """The database, made and brought up to date where needed; raises StoreError."""
    database = Database(url or database_url())
    _make_folder(database.engine.url)
    try:
        database.upgrade()
    except StoreError:
        database.engine.dispose()
        raise
    return database


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError(f"The database's address is no URL: {FORM}.") from None  # it may hold a password
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreError(f"The database {url} lives in memory and would be gone at once: {FORM}.")
    return parsed


def _engine(url: URL, name: str) -> Engine:
    lite = url.get_backend_name() == "sqlite"
    try:
        engine = create_engine(url.update_query_dict({"timeout": str(PATIENCE_S)} | dict(url.query)) if lite else url)
    except (NoSuchModuleError, ArgumentError):
        raise StoreError(f"The database {name}: there is no {url.drivername!r} here; {FORM}.") from None
    except ImportError as error:
        remedy = "pip install 'rhoscope[postgres]'" if error.name == "psycopg" else f"install {error.name}"
        raise StoreError(f"The database {name} needs {error.name}, which is not installed: {remedy}.") from None
    if lite:
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, and not by the driver
    connection.execute("PRAGMA journal_mode=WAL").close()
    connection.execute("PRAGMA synchronous=FULL").close()  # what was acknowledged outlives a power cut
    connection.execute("PRAGMA foreign_keys=ON").close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("rhoscope_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _make_folder(url: URL) -> None:
    if url.get_backend_name() == "sqlite" and url.database and not url.database.startswith("file:"):
        folder = Path(url.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"Cannot make the folder {folder} of the database: {error.strerror}; {FORM}.") from None


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(connection: Connection, name: str) -> None:
    from alembic import command  # half a second, and rarely needed
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    found = _revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StoreError(
            f"The database {name} was written by a newer Rhoscope (its tables are at {found!r}, and here {HEAD!r} is "
            "the newest): install that one, or name another database in RHOSCOPE_DB."
        )
    command.upgrade(config, "head")


def _reason(error: SQLAlchemyError) -> str:
    """What is wrong, in one line with its remedy, and without the values of the statement."""
    told = str(error.orig if isinstance(error, DBAPIError) else error).strip().partition("\n")[0]
    for sign, reason in {
        "readonly": f"is read-only: get the right to write it and its folder, or {FORM}.",
        "database is locked": f"was kept busy by another process for {PATIENCE_S} s: try again.",
        "unable to open": f"cannot be opened: see that its folder exists and may be written, or {FORM}.",
        "not a database": f"is no SQLite database: name another file; {FORM}.",
        "disk is full": "cannot be written, the disk is full: make room, and try again.",
    }.items():
        if sign in told:
            return reason
    return f"cannot be used ({told[:200]}): see that it runs and that you may use it, or {FORM}."
