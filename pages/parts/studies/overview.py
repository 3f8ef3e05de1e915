"""Studies as they stand: opened and closed, readers added, and how far each of them is."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from annotations.reading.overseeing import Overseer
from annotations.reading.studies import CLOSED, DAY, DRAFT, OPEN, Studies, Study
from explain_core.errors import RhoscopeError
from pages.parts.store import database
from pages.parts.studies import results
from pages.parts.studies.setting_up import blocked, people_who_read, shown_in

EVERY_S = 5.0


def show(name: str) -> None:
    overseer = Overseer(database(), name)
    found = overseer.studies()
    if not found:
        st.info("There is no study yet: *Set up a study*, beside this, makes one.", icon=":material/info:")
        return
    st.dataframe(pd.DataFrame([_row(one) for one in found]), hide_index=True, key="studies", alt="Studies")
    chosen = st.selectbox("Study", [one.name for one in found], key="study-chosen", width=420)
    study = next(one for one in found if one.name == chosen)
    _setup(study)
    _state(study, name)
    st.markdown("**Readers**")
    st.fragment(_readers, run_every=EVERY_S if study.state == OPEN else None)(study.name, name)
    if study.state != CLOSED:
        _add_reader(study, name)
    results.show(overseer, study, name)


def _row(one: Study) -> dict[str, object]:
    return {
        "Study": one.name, "Title": one.title, "State": one.state, "Cases": one.cases, "Practice": one.practice,
        "Blocked": len(one.blocked), "Readers": len(one.readers), "By": one.author, "Since": one.created,
    }  # fmt: skip


def _setup(study: Study) -> None:
    """As it was frozen; nothing of the arms where whoever is here reads in it."""
    days, minutes = study.plan.washout_s / DAY, study.plan.idle_s / 60
    told = [f"Washout {days:g} days, idle after {minutes:g} minutes, seed {study.plan.seed}."]
    if study.arms:
        told.append(f"Model {study.spec.get('model', 'unknown')}. {'; '.join(map(shown_in, study.arms))}.")
    st.caption(" ".join(told))
    if study.blocked:
        blocked(dict(study.blocked))


def _state(study: Study, by: str) -> None:
    without = study.state == DRAFT and bool(study.blocked)
    if without:
        without = st.checkbox("Open it without the blocked cases", key=f"study-without-{study.name}")
    label, state = ("Close", CLOSED) if study.state == OPEN else ("Open", OPEN)
    disabled = study.state == DRAFT and bool(study.blocked) and not without
    told = "Nothing is read or amended while it is closed." if study.state == OPEN else None
    if st.button(label, key="study-state", disabled=disabled, help=told):
        try:
            Studies(database()).set_state(study.name, state, by=by, without_blocked=without)
        except RhoscopeError as error:
            st.error(str(error))
            return
        st.rerun()


def _readers(name: str, by: str) -> None:
    """Drawn again by itself while the study is open."""
    try:
        study = next(one for one in Overseer(database(), by).studies() if one.name == name)
    except RhoscopeError as error:
        st.error(str(error))
        return
    if not study.readers:
        st.caption("Nobody reads in it yet.")
        return
    rows = [{"Reader": one.reader, "Read": one.done, "of": one.of, "Progress": one.share} for one in study.readers]
    st.dataframe(
        pd.DataFrame(rows), hide_index=True, key="study-progress", width=640,
        column_config={"Progress": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)},
        alt="; ".join(f"{one.reader}: {one.done} of {one.of}" for one in study.readers),
    )  # fmt: skip


def _add_reader(study: Study, by: str) -> None:
    there = {one.reader for one in study.readers}
    others = [one for one in people_who_read() if one not in there]
    if not others:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        who = st.selectbox(
            "Somebody more", others, index=None, placeholder="Choose a name", key=f"study-reader-{study.name}",
            width=320,
        )  # fmt: skip
        pressed = st.button("Add", key="study-add", disabled=who is None)
    if pressed and who is not None:
        try:
            Studies(database()).add_reader(study.name, str(who), by=by)
        except RhoscopeError as error:
            st.error(str(error))
            return
        st.rerun()
