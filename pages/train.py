"""Train: networks by the papers' recipes, as runs that outlive the page; their curves; what they are good for."""

from __future__ import annotations

import streamlit as st

from explain_core.errors import RhoscopeError
from pages.parts import runs, training_after, training_runs, training_start, views
from pages.parts.training_start import KIND

VIEWS = {"new": "New run", "runs": "Runs"}
VIEW, NEXT = "train-view", "train-next"


def page() -> None:
    st.header("Train", anchor=False)
    try:
        there = bool(runs.store().find(kind=KIND, most=1))
        _page(there)
    except RhoscopeError as error:
        st.error(str(error))


def _page(there: bool) -> None:
    st.session_state.setdefault(VIEW, "runs" if there else "new")
    started = st.session_state.pop(NEXT, None)
    if started:
        st.session_state[VIEW] = "runs"
        st.session_state[training_runs.SHOWN] = [started]
    view = views.choose("train", VIEWS)
    if view == "new":
        begun = training_start.new_run()
        if begun:
            st.session_state[NEXT] = begun
            st.rerun()
        return
    looked = training_runs.show()
    training_after.offer([run for run in looked if run.state == "done"])


page()
