"""Long work on a page: those under way with their progress, cancelled and continued; what they said."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

import streamlit as st

from annotations.runs import RunStore
from annotations.workspace import home
from explain_core.errors import RhoscopeError
from explain_core.records import Run
from explain_core.runs.beside import at_work, start_worker
from explain_core.runs.scrub import tail
from pages.parts.store import database

EVERY_S = 1.0
SHOWN = 20
NAME = re.compile(r"[\w.\-]{1,80}")


def store() -> RunStore:
    """The table of runs; raises StoreError."""
    return RunStore(database())


def misnamed(name: str) -> bool:
    """Whether no folder of runs may be called so, which is said then."""
    if NAME.fullmatch(name):
        return False
    st.error(f"Name {name!r}: letters, digits, dots and dashes, at most 80.")
    return True


def set_going() -> None:
    """Sees to it that somebody carries out what waits; raises OutputError."""
    start_worker(home())


def watch(kind: str) -> None:
    """What of this kind is under way or ended before it was done; drawn again every second while something runs."""
    try:
        active = any(run.under_way for run in _open_runs(kind))
    except RhoscopeError as error:
        st.error(str(error))
        return
    st.fragment(_watch, run_every=EVERY_S if active else None)(kind)


def _watch(kind: str) -> None:
    found, key = _open_runs(kind), f"{kind}-open"
    active = sum(run.under_way for run in found)
    if active < st.session_state.get(key, 0):  # one has ended: what stands around this may show it
        st.session_state[key] = active
        st.rerun()
    st.session_state[key] = active
    see_to(found)
    for run in found:
        show(run)


def see_to(found: Iterable[Run]) -> None:
    """Starts a worker where one of these waits and nobody is at work; raises OutputError."""
    if any(run.state == "waiting" for run in found) and not at_work(home()):
        set_going()


def _open_runs(kind: str) -> list[Run]:
    """The newest of each folder, where that is not done."""
    newest = {run.out: run for run in reversed(store().find(kind=kind))}
    return [run for run in reversed(newest.values()) if run.state != "done"][:SHOWN]


def show(run: Run) -> None:
    """A run's progress, what can be done with it, and what it said."""
    with st.container(border=True):
        st.progress(run.progress, text=f"{run.title}: {run.state}{_details(run)}")
        if run.error:
            st.error(run.error)
        with st.container(horizontal=True):
            if run.under_way and not run.cancel_asked and st.button("Cancel", key=f"cancel-{run.id}"):
                _ask(run, going=False)
            if not run.under_way and st.button("Continue", key=f"continue-{run.id}"):
                _ask(run, going=True)
        said(run)


def said(run: Run, title: str = "What it said") -> None:
    """The end of its log, where there is one, to be opened."""
    if text := tail(run.log):
        with st.expander(title):
            st.code(text, language=None, wrap_lines=True)


def _details(run: Run) -> str:
    left = run.remaining(datetime.now(UTC))
    told = [run.note, "" if left is None else f"{_span(left)} left", "being stopped" if run.cancel_asked else ""]
    return "".join(f" · {text}" for text in told if text) if run.state == "running" else ""


def _span(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _ask(run: Run, *, going: bool) -> None:
    try:
        if going:
            store().retry(run.id)
            set_going()
        else:
            store().ask_cancel(run.id)
    except RhoscopeError as error:
        st.error(str(error))
    else:
        st.rerun()
