"""Roles are held by the store: nobody does what their role does not allow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotations.database import Database
from annotations.people import NAME, ROLES, People, allowed
from explain_core.errors import InputError, RightsError
from tests.annotations.conftest import Clock


@pytest.fixture
def people(database: Database, clock: Clock) -> People:
    made = People(database, clock)
    made.add("ada", "admin")
    return made


def test_the_first_is_an_admin_and_adds_others(database: Database, clock: Clock) -> None:
    people = People(database, clock)
    with pytest.raises(InputError, match="must be an admin"):
        people.add("ann", "annotator")
    people.add("ada", "admin")
    people.add("ann", "annotator", by="ada")
    assert [(one.name, one.role, one.active) for one in people.find()] == [
        ("ada", "admin", True), ("ann", "annotator", True)
    ]  # fmt: skip


@pytest.mark.parametrize("role", sorted(set(ROLES) - {"admin"}))
def test_only_an_admin_manages_people(people: People, role: str) -> None:
    people.add("other", role, by="ada")
    for attempt in (
        lambda: people.add("new", "annotator", by="other"),
        lambda: people.change("other", role="admin", by="other"),
    ):
        with pytest.raises(RightsError, match=f"other is {role}, and may not manage people"):
            attempt()
    with pytest.raises(RightsError, match="Nobody is named"):
        people.add("new", "annotator")


def test_somebody_made_inactive_may_do_nothing(people: People, database: Database) -> None:
    people.add("ann", "annotator", by="ada")
    people.change("ann", active=False, by="ada")
    with database.read() as session, pytest.raises(RightsError, match="made inactive"):
        allowed(session, "ann", "answer")


@pytest.mark.parametrize("change", [{"role": "annotator"}, {"active": False}])
def test_the_last_admin_stays(people: People, change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="last admin"):
        people.change("ada", by="ada", **change)
    people.add("eve", "admin", by="ada")
    assert people.change("ada", by="ada", **change).role == change.get("role", "admin")


@pytest.mark.parametrize(
    ("name", "role", "why"),
    [("", "admin", "a letter or digit"), ("x" * 81, "admin", "at most 79"), ("a\nb", "admin", "letters, digits"),
     ("bob", "boss", "Role 'boss'"), ("ada", "admin", "already")],
)  # fmt: skip
def test_mistakes_are_told(people: People, name: str, role: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        people.add(name, role, by="ada")


@given(st.text(max_size=100))
def test_a_name_is_one_line(name: str) -> None:
    if NAME.fullmatch(name):
        assert len(name.splitlines()) == 1
        assert len(name) <= 80
