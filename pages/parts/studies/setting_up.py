"""A study about what was computed: who reads, the washout, the seed of all orders.  Set up, it is never changed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from annotations.people import ROLES, People
from annotations.reading.bundle import FILE, Arm, StudyBundle, read_study
from annotations.reading.studies import DAY, Plan, Studies
from annotations.workspace import runs_folder
from explain_core.errors import RhoscopeError
from pages.parts.store import database
from pages.parts.studies import computing

MADE = "study-made"


def show(name: str) -> None:
    """What was computed and has no study yet; nothing where there is none."""
    if made := st.session_state.pop(MADE, None):
        st.success(f"{made} is set up, as a draft: open it under Reader studies.", icon=":material/task_alt:")
    used = {study.bundle for study in Studies(database()).find()}
    built = [path.parent for path in sorted(runs_folder().glob(f"*{computing.ENDING}/bundle/{FILE}"))]
    waiting = {
        path.parent.name.removesuffix(computing.ENDING): path for path in built if path.absolute() not in used
    }  # fmt: skip
    if not waiting:
        return
    st.subheader("Set a study up", anchor=False)
    chosen = str(st.selectbox("Built", list(waiting), key="study-built", width=420))
    try:
        folder = waiting[chosen]
        _told(chosen, _read(str(folder), (folder / FILE).stat().st_mtime_ns))
        _ask(chosen, folder, name)
    except RhoscopeError as error:
        st.error(str(error))


def people_who_read() -> list[str]:
    """Everybody who may answer."""
    return [one.name for one in People(database()).find() if one.active and "answer" in ROLES[one.role]]


def shown_in(arm: Arm) -> str:
    parts = [*arm.methods, *(["the model's output"] if arm.output else [])]
    return f"{arm.name}: {', '.join(parts) or 'nothing'}"


def blocked(cases: dict[str, str]) -> None:
    """Cases that nobody reads, and why."""
    st.warning(f"{len(cases)} blocked: nobody reads these cases, in any arm.", icon=":material/block:")
    rows = [{"Case": case, "Why": why} for case, why in cases.items()]
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="study-blocked", alt="Blocked cases")


@st.cache_data(max_entries=4, show_spinner="Comparing every explanation with its hash …")
def _read(folder: str, changed_ns: int) -> StudyBundle:
    """Anew when the file has changed."""
    return read_study(Path(folder))


def _told(called: str, bundle: StudyBundle) -> None:
    practice = sum(case.practice for case in bundle.cases)
    known = sum(bool(case.truth) and not case.practice for case in bundle.cases)
    arms = "; ".join(shown_in(arm) for arm in bundle.arms)
    st.text(bundle.title)
    st.caption(f"{len(bundle.cases) - practice} cases, {known} of known truth, and {practice} to practise. {arms}.")
    if bundle.blocked:
        blocked(bundle.blocked)
        if st.button("Build it again", key="study-again", help="What was made stays; what failed is tried."):
            computing.again(called)


def _ask(called: str, folder: Path, by: str) -> None:
    with st.form("study-new", width=640):
        name = st.text_input("Name of the study", value=called, key=f"study-name-{called}").strip()
        readers = st.multiselect("Readers", people_who_read(), key="study-readers")
        first, second, third = st.columns(3)
        washout = first.number_input(
            "Washout, days", 0.0, 365.0, 28.0, 1.0, key="study-washout", help="Between a reader's sessions."
        )
        idle = second.number_input(
            "Idle after, minutes", 1, 1440, 15, key="study-idle", help="So long may a read be left alone."
        )
        seed = third.number_input("Seed", 0, 2**31 - 1, 0, key="study-seed", help="Of orders, and of methods' letters.")
        if st.form_submit_button("Set it up", type="primary"):
            plan = Plan(int(seed), round(washout * DAY), int(idle) * 60)
            Studies(database()).create(name, read_study(folder), by=by, plan=plan, readers=readers)
            st.session_state[MADE] = name
            st.rerun()
