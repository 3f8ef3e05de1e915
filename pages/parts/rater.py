"""Who is here: whoever has signed in, or a local profile, chosen by name; its role is held by the store, whatever this
shows."""

from __future__ import annotations

import streamlit as st

from annotations.people import DOES, ROLES, People, Right
from explain_core.errors import RhoscopeError
from pages.parts import sign_in
from pages.parts.store import database

WHO = "who"


def chosen(right: Right) -> str | None:
    """The name of somebody who has this right; None until there is one, with a form for the first person."""
    if sign_in.way()[0] != "local":
        return _signed_in(right)
    people = People(database())
    known = people.find()
    if not known:
        _first(people)
        return None
    names = [one.name for one in known if one.active and right in ROLES[one.role]]
    if not names:
        st.info(
            f"Nobody here may {DOES[right]}: an admin adds people on the Settings page.",
            icon=":material/info:",
        )
        return None
    if st.session_state.get(WHO) not in names:
        st.session_state[WHO] = names[0] if len(names) == 1 else None
    name = st.selectbox(
        "Who are you?", names, key=WHO, index=None, placeholder="Choose your name", width=320, persist_state="session"
    )
    return None if name is None else str(name)


def _signed_in(right: Right) -> str | None:
    refusal = sign_in.refused(right)
    if refusal:
        st.info(refusal, icon=":material/lock:")
        return None
    return sign_in.name()


def _first(people: People) -> None:
    st.write("Nobody is known here yet. The first person is an admin, and can name others.")
    with st.form("first-person", width=420):
        name = st.text_input("Your name", key="first-person-name")
        if st.form_submit_button("Begin", type="primary"):
            try:
                people.add(name.strip(), "admin")
            except RhoscopeError as error:
                st.error(str(error))
                return
            st.rerun()
