"""People: who there is, what each role may do, and changes by an admin."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from annotations.people import DOES, ROLES, People, Person
from explain_core.errors import RhoscopeError
from pages.parts.sign_in import WAYS, way
from pages.parts.store import database


def show(name: str) -> None:
    people = People(database())
    found = people.find()
    st.dataframe(pd.DataFrame([_row(one) for one in found]), hide_index=True, key="people", alt="People")
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        _add(people, name)
    with right, st.container(border=True):
        _change(people, found, name)
    st.caption(
        f"Signing in: {WAYS[way()[0]]}. People are made inactive, never removed: labels name them. "
        + " ".join(f"**{role}**: {', '.join(DOES[right] for right in DOES if right in rights)}."
                   for role, rights in ROLES.items())
    )  # fmt: skip


def _row(one: Person) -> dict[str, object]:
    return {"Name": one.name, "Role": one.role, "Active": one.active, "Since": one.created}


def _add(people: People, by: str) -> None:
    st.markdown("**Somebody new**")
    with st.form("person-new", border=False, clear_on_submit=True):
        called = st.text_input("Name", key="person-name").strip()
        role = str(st.selectbox("Role", list(ROLES), key="person-role"))
        if st.form_submit_button("Add", type="primary", icon=":material/person_add:"):
            _done(lambda: people.add(called, role, by=by))


def _change(people: People, found: list[Person], by: str) -> None:
    st.markdown("**A change**")
    chosen = str(st.selectbox("Person", [one.name for one in found], key="person-chosen"))
    person = next(one for one in found if one.name == chosen)
    role = str(st.selectbox("New role", list(ROLES), index=list(ROLES).index(person.role), key=f"role-{chosen}"))
    active = st.checkbox("May act", value=person.active, key=f"active-{chosen}")
    unchanged = (role, active) == (person.role, person.active)
    if st.button("Change", icon=":material/manage_accounts:", disabled=unchanged):
        _done(lambda: people.change(chosen, role=role, active=active, by=by))


def _done(act: Callable[[], Person]) -> None:
    try:
        act()
    except RhoscopeError as error:
        st.error(str(error))
        return
    st.rerun()
