"""One reader's desk: the worklist, the step at hand, and what comes after a lock."""

from __future__ import annotations

import secrets
from typing import Any

import streamlit as st

from annotations.reading.answers import FINAL, UNAIDED
from annotations.reading.places import AT_HAND, LOCKED, WASHOUT, Entry, Task
from annotations.reading.reads import Reads
from annotations.reading.studies import Studies
from explain_core.errors import RhoscopeError
from pages.parts.reading import drawn
from pages.parts.reading.amending import amending
from pages.parts.reading.lightbox import hang
from pages.parts.reading.sheet import Sheet
from pages.parts.reading.watch import watch
from pages.parts.store import database

STEPS = {UNAIDED: "unaided, before any explanation", FINAL: "final, with what is shown"}
LABELS = {0: "without a lesion", 1: "with a lesion", None: "not known"}


def study(name: str) -> str | None:
    """The open study to read in; None, with the reason, where there is none."""
    names = Studies(database()).of_reader(name)
    if not names:
        st.info("No study is open in which you read: whoever organises one adds readers.", icon=":material/info:")
        return None
    if len(names) == 1:
        return names[0]
    chosen = st.selectbox("Study", names, index=None, placeholder="Choose a study", key="read-study", width=320)
    return None if chosen is None else str(chosen)


@st.fragment
def desk(of: str, name: str) -> None:
    """The step that was opened, or else the worklist with what may be opened."""
    try:
        at_hand = f"read-{of}-{name}"
        if st.session_state.get(at_hand) is not None:
            _step(st.session_state[at_hand], of, name)
            return
        _told(of, name)
        _worklist(of, name)
        amending(of, name)
    except RhoscopeError as error:
        st.error(str(error))
        _offer_again(of, name)


def _worklist(of: str, name: str) -> None:
    entries = Reads(database()).worklist(of, name)
    done = sum(entry.state == LOCKED for entry in entries)
    following = next((entry for entry in entries if entry.state in (AT_HAND, WASHOUT)), None)
    st.progress(done / len(entries), text=f"{done} of {len(entries)} cases are read")
    if following is None:
        st.success("Every case is read.", icon=":material/task_alt:")
    elif following.state == WASHOUT:
        st.info(f"Session {following.session} begins after the washout, on {following.begins:%Y-%m-%d %H:%M} UTC.")
    else:
        st.button(
            f"Read {_case(following)}, {following.step} step", type="primary", shortcut="G", key="read-open",
            on_click=_open, args=(of, name),
        )  # fmt: skip
    with st.expander("The worklist"):
        rows = [
            {"case": one.position, "session": str(one.session or "practice"), "state": one.state, "step": one.step}
            for one in entries
        ]
        st.dataframe(rows, hide_index=True, width=480, height=300)


def _case(entry: Entry) -> str:
    return f"{'practice case' if entry.session == 0 else 'case'} {entry.position}"


def _open(of: str, name: str) -> None:
    """Opens the step at hand, or opens it again; its time begins."""
    try:
        task = Reads(database()).task(of, name)
    except RhoscopeError as error:
        _say(of, name, str(error), refused=True)
        return
    st.session_state[f"read-{of}-{name}"] = task
    if task is not None:
        key = f"read-{task.token}"
        st.session_state[f"{key}-saved"] = (task.revision, dict(task.answers))


def _step(task: Task, of: str, name: str) -> None:
    key = f"read-{task.token}"
    where = "Practice case" if task.session == 0 else "Case"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{where} {task.position} of {task.of}**, {STEPS[task.step]}", width="content")
        watch(f"{key}-watch", task, lambda: _acted(task, of, name))
    films, form = st.columns([3, 2])
    with films:
        role = _ask_role(key, task)
        hang(
            f"{key}-films", task.bundle, task.films,
            lambda: drawn.keep(key, task.form, st.session_state[f"{key}-films"].get("act"), role),
            explanations=task.explanations, regions=drawn.for_viewer(drawn.known(key, task.answers)),
        )  # fmt: skip
        _show_output(task)
        if task.step == FINAL:
            _offer_findings(key, task)
    with form:
        _form(task, of, name)


@st.fragment
def _form(task: Task, of: str, name: str) -> None:
    """Drawn anew by itself at each answer, so that the films stay as they are."""
    if st.session_state.get(f"read-{of}-{name}") is not task:
        st.rerun()
    key = f"read-{task.token}"
    try:
        answers = Sheet(key, task.form, task.answers).ask(drawn.known(key, task.answers))
        _sign(task, _save(task, answers), of, name)
    except RhoscopeError as error:
        st.error(str(error))
        _offer_again(of, name)


def _ask_role(key: str, task: Task) -> str:
    roles = drawn.roles(task.form)
    if len(roles) == 1:
        return roles[0]
    words = {drawn.FINDINGS: "a finding"} | {role: f"a part of {role[0]} that is {role[2:]}" for role in roles[1:]}
    role = st.radio("What you draw now is", roles, format_func=words.__getitem__, key=f"{key}-role", horizontal=True)
    return str(role)


def _show_output(task: Task) -> None:
    for film in task.films:
        said = task.output.get(film["film"], {})
        if said:
            told = ", ".join(f"{name} {share:.0%}" for name, share in said.items())
            st.markdown(f"The model says of {film['label']}: {told}")


def _offer_findings(key: str, task: Task) -> None:
    before = task.unaided.get("findings", [])
    if before and not any(one.role == drawn.FINDINGS for one in drawn.known(key, task.answers)):
        st.button(
            f"Take over my {len(before)} finding{'s' * (len(before) > 1)} of the unaided step", key=f"{key}-take",
            on_click=drawn.take_over, args=(key, task.unaided), icon=":material/content_copy:",
        )  # fmt: skip


def _save(task: Task, answers: dict[str, Any], **times: int) -> tuple[str, ...]:
    """Keeps what has changed; what is lacking still, in words."""
    state = f"read-{task.token}-saved"
    revision, before = st.session_state[state]
    if answers != before or times:
        kept = Reads(database()).save(task.token, answers, revision=revision, key=secrets.token_hex(16), **times)
        st.session_state[state] = (kept.revision, answers)
        st.session_state[f"{state}-at"] = f"Saved {kept.at:%H:%M:%S} UTC."
    return tuple(task.form.lacking(answers))


def _acted(task: Task, of: str, name: str) -> None:
    """What the watch tells: times, that somebody is here, or that the step shall be signed."""
    act = st.session_state[f"read-{task.token}-watch"].act or {}
    if act.get("token") != task.token:
        return
    _, answers = st.session_state[f"read-{task.token}-saved"]
    try:
        if act["what"] == "back":
            Reads(database()).task(of, name)
        _save(task, answers, active_ms=int(act["active_ms"]), hidden_ms=int(act["hidden_ms"]))
    except RhoscopeError as error:
        _say(of, name, str(error), refused=True)
        st.session_state[f"read-{of}-{name}"] = None
        return
    st.session_state[f"read-{task.token}-sign"] = act["what"] == "sign"


def _sign(task: Task, lacking: tuple[str, ...], of: str, name: str) -> None:
    key = f"read-{task.token}"
    st.caption(st.session_state.get(f"{key}-saved-at", "Nothing is answered yet; whatever is, is saved at once."))
    if not st.session_state.get(f"{key}-sign"):
        return
    if lacking:
        st.warning(f"Not complete: {'; '.join(lacking)}.", icon=":material/edit:")
        return
    with st.container(border=True):
        st.markdown("**Signed, this step is locked for good.** It can only be amended, with a reason.")
        with st.container(horizontal=True):
            st.button("Sign and lock", type="primary", key=f"{key}-lock", on_click=_lock, args=(task, of, name))
            st.button("Not yet", key=f"{key}-not-yet", on_click=st.session_state.pop, args=(f"{key}-sign", None))


def _lock(task: Task, of: str, name: str) -> None:
    """Locks, and goes on to the second step at once; before another case there is a rest."""
    revision, _ = st.session_state[f"read-{task.token}-saved"]
    try:
        made = Reads(database()).lock(task.token, revision=revision, key=f"{task.token}-sign")
    except RhoscopeError as error:
        _say(of, name, str(error), refused=True)
        st.session_state[f"read-{of}-{name}"] = None
        return
    _forget(task)
    st.session_state[f"read-{of}-{name}"] = None
    _say(of, name, f"Case {made.position}, {made.step} step: locked {made.at:%H:%M:%S} UTC.")
    if task.step == UNAIDED:
        _open(of, name)
    elif task.session == 0:
        st.session_state[f"read-{of}-{name}-feedback"] = (made.position, task.bundle, task.films)


def _forget(task: Task) -> None:
    for name in [name for name in st.session_state if str(name).startswith(f"read-{task.token}")]:
        del st.session_state[name]


def _say(of: str, name: str, text: str, *, refused: bool = False) -> None:
    st.session_state[f"read-{of}-{name}-said"] = (text, refused)


def _told(of: str, name: str) -> None:
    """What the last act came to, and of a practice case what is true."""
    text, refused = st.session_state.get(f"read-{of}-{name}-said", ("", False))
    if text:
        (st.error if refused else st.success)(text)
    told = st.session_state.get(f"read-{of}-{name}-feedback")
    if told is None:
        return
    position, bundle, films = told
    found = Reads(database()).feedback(of, name, position)
    with st.container(border=True):
        st.markdown(
            f"**Practice case {position} is {LABELS[found.label]}**; you said {found.score:g} of 100. {found.why}"
        )
        regions: dict[str, list[dict[str, Any]]] = {}
        for number, region in enumerate(found.regions):
            regions.setdefault(region["film"], []).append({"id": f"true{number}", **region["shape"]})
        if regions:
            hang(f"read-feedback-{position}", bundle, films, lambda: None, regions=regions, may_draw=False)
        st.button(
            "Seen", key="read-seen", on_click=st.session_state.pop, args=(f"read-{of}-{name}-feedback", None),
        )  # fmt: skip


def _offer_again(of: str, name: str) -> None:
    if st.session_state.get(f"read-{of}-{name}") is not None:
        st.button("Open it again", type="primary", key="read-again", on_click=_open, args=(of, name))
