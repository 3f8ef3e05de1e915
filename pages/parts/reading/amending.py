"""What a reader has signed, and its amendment: a new version with a reason."""

from __future__ import annotations

import hashlib
from typing import Any

import streamlit as st

from annotations.reading.places import Locked
from annotations.reading.reads import Reads
from explain_core.errors import RhoscopeError
from pages.parts.reading import drawn
from pages.parts.reading.lightbox import hang
from pages.parts.reading.sheet import Sheet
from pages.parts.store import database


def amending(of: str, name: str) -> None:
    """Every version that was signed, and a form that adds one."""
    signed = Reads(database()).locked(of, name)
    if not signed:
        return
    with st.expander("What I have signed"):
        newest = {(one.position, one.step): one for one in signed}
        chosen = st.selectbox(
            "Amend", list(newest), index=None, placeholder="Choose a signed step", key=f"amend-{of}-{name}", width=420,
            format_func=lambda place: f"case {place[0]}, {place[1]} step, version {newest[place].version}",
        )  # fmt: skip
        if chosen is not None:
            _history([one for one in signed if (one.position, one.step) == chosen])
            _amend(of, name, newest[chosen])


def _history(versions: list[Locked]) -> None:
    for one in versions:
        why = f": {one.reason}" if one.reason else ""
        st.caption(f"Version {one.version}, {one.at:%Y-%m-%d %H:%M:%S} UTC, score {one.answers['score']:g}{why}")


def _amend(of: str, name: str, last: Locked) -> None:
    key = f"amend-{of}-{name}-{last.position}-{last.step}-{last.version}"
    shown = Reads(database()).shown(of, name, last.position, last.step)
    roles = drawn.roles(shown.form)
    role = str(st.radio("What you draw now is", roles, key=f"{key}-role", horizontal=True)) if roles[1:] else roles[0]
    hang(
        f"{key}-films", shown.bundle, shown.films,
        lambda: drawn.keep(key, shown.form, st.session_state[f"{key}-films"].get("act"), role),
        explanations=shown.explanations, regions=drawn.for_viewer(drawn.known(key, last.answers)),
    )  # fmt: skip
    answers = Sheet(key, shown.form, last.answers).ask(drawn.known(key, last.answers))
    reason = st.text_input("Why it is amended", key=f"{key}-reason", max_chars=2000)
    lacking = shown.form.lacking(answers)
    if lacking:
        st.warning(f"Not complete: {'; '.join(lacking)}.", icon=":material/edit:")
    st.button(
        "Keep as a new version", key=f"{key}-keep", disabled=bool(lacking) or not reason.strip(), on_click=_keep,
        args=(of, name, last, answers, reason, key),
    )  # fmt: skip
    if said := st.session_state.get(f"{key}-said"):
        st.error(said)


def _keep(of: str, name: str, last: Locked, answers: dict[str, Any], reason: str, key: str) -> None:
    """The key of the request is that of the version, so that a second press adds none."""
    place = f"{last.position}-{last.step}-{last.version + 1}"
    try:
        made = Reads(database()).amend(of, name, last.position, last.step, answers, reason=reason,
                                       key=_request(of, name, place))  # fmt: skip
    except RhoscopeError as error:
        st.session_state[f"{key}-said"] = str(error)
        return
    told = f"Case {made.position}, {made.step} step: version {made.version} is kept."
    st.session_state[f"read-{of}-{name}-said"] = (told, False)


def _request(of: str, name: str, place: str) -> str:
    return hashlib.sha256(f"{of}\n{name}\n{place}".encode()).hexdigest()
