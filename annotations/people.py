"""People, and what each role may do; the store asks before it acts, whatever a page shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from annotations import audit
from annotations.database import Database
from annotations.runs import now
from annotations.tables import PersonRow
from explain_core.errors import InputError, RightsError, suggest

Right = Literal["answer", "organise", "adjudicate", "people"]
ROLES: Mapping[str, frozenset[Right]] = MappingProxyType(
    {
        "annotator": frozenset({"answer"}),
        "clinician": frozenset({"answer"}),
        "researcher": frozenset({"answer", "organise", "adjudicate"}),
        "admin": frozenset({"answer", "organise", "adjudicate", "people"}),
    }
)
DOES: Mapping[Right, str] = MappingProxyType(
    {"answer": "answer", "organise": "organise campaigns", "adjudicate": "settle disagreements",
     "people": "manage people"}
)  # fmt: skip
NAME = re.compile(r"[^\W_][\w .@+\-]{0,79}")


@dataclass(frozen=True)
class Person:
    name: str
    role: str
    active: bool
    created: datetime


class People:
    """The table of people; its methods raise StoreError, InputError for what does not fit, RightsError."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database, self._clock = database, clock

    def add(self, name: str, role: str, *, by: str | None = None) -> Person:
        """A new person.  The first one is added by nobody, and is an admin; all others by somebody who may."""
        if not NAME.fullmatch(name):
            raise InputError(f"Name {name[:100]!r}: a letter or digit, then at most 79 letters, digits or spaces.")
        if role not in ROLES:
            raise InputError(f"Role {role!r}: {suggest(role, ROLES)}")
        with self._database.write() as session:
            self._database.hold(session, "people")
            first = session.scalar(select(PersonRow.id).limit(1)) is None
            if first and role != "admin":
                raise InputError(f"{name} would be the first person here, and must be an admin.")
            if not first:
                allowed(session, by, "people")
            if session.scalar(select(PersonRow).where(PersonRow.name == name)):
                raise InputError(f"There is a person {name!r} already: choose another name.")
            row = PersonRow(name=name, role=role, active=True, created=self._clock())
            session.add(row)
            audit.record(session, row.created, by or name, "person", {"name": name, "role": role, "active": True})
            return _person(row)

    def change(self, name: str, *, role: str | None = None, active: bool | None = None, by: str) -> Person:
        """Another role, or made inactive (labels stay); the last active admin stays one."""
        if role is not None and role not in ROLES:
            raise InputError(f"Role {role!r}: {suggest(role, ROLES)}")
        with self._database.write() as session:
            self._database.hold(session, "people")
            allowed(session, by, "people")
            row = found(session, name)
            row.role = row.role if role is None else role
            row.active = row.active if active is None else active
            session.flush()
            admins = (PersonRow.role == "admin", PersonRow.active)
            if session.scalar(select(PersonRow.id).where(*admins).limit(1)) is None:
                raise InputError(f"{name} is the last admin: name another one first.")
            audit.record(session, self._clock(), by, "person", {"name": name, "role": row.role, "active": row.active})
            return _person(row)

    def find(self) -> list[Person]:
        with self._database.read() as session:
            return [_person(row) for row in session.scalars(select(PersonRow).order_by(PersonRow.name))]


def allowed(session: Session, name: str | None, right: Right) -> PersonRow:
    """The person, who is active and has this right; raises RightsError or InputError."""
    if not name:
        raise RightsError(f"Nobody is named, and only people with a role may {DOES[right]}: say who it is.")
    row = found(session, name)
    if not row.active:
        raise RightsError(f"{name} has been made inactive, and may not {DOES[right]}: ask an admin.")
    if right not in ROLES[row.role]:
        raise RightsError(f"{name} is {row.role}, and may not {DOES[right]}: ask an admin for another role.")
    return row


def found(session: Session, name: str) -> PersonRow:
    """The person of this name; raises InputError."""
    row = session.scalar(select(PersonRow).where(PersonRow.name == name))
    if row is None:
        raise InputError(f"Nobody is called {name!r} here: {suggest(name, session.scalars(select(PersonRow.name)))}")
    return row


def _person(row: PersonRow) -> Person:
    return Person(row.name, row.role, row.active, row.created)
