"""A real database for each test: SQLite, and PostgreSQL too where RHOSCOPE_TEST_POSTGRES names one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from annotations.database import Database, open_database
from annotations.runs import RunStore

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def postgres() -> Iterator[str]:
    """The URL of an empty schema, dropped afterwards."""
    server = os.environ.get("RHOSCOPE_TEST_POSTGRES")
    if not server:
        pytest.skip(
            "no PostgreSQL: name a database in RHOSCOPE_TEST_POSTGRES, such as postgresql+psycopg://me@host/test"
        )
    schema = f"rhoscope_{secrets.token_hex(6)}"
    engine = create_engine(server)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    yield f"{server}{'&' if '?' in server else '?'}options=-csearch_path%3D{schema}"
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'rhoscope.db'}"
    else:
        yield from postgres()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = open_database(url)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: Database, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("RHOSCOPE_RUNS", str(tmp_path / "runs"))
    return RunStore(database, clock)
