"""A PostgreSQL server, where there is one to test with."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text


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
