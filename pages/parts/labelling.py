"""The desk of the Annotate page: what raters are told, the item at hand, and what becomes of a key press."""

from __future__ import annotations

import base64
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image

from annotations.campaigns import OPEN, Campaign, Campaigns
from annotations.questions import get_question
from annotations.queue import Progress, Queue, Task
from explain_core.errors import RhoscopeError
from pages.parts.store import database
from pages.parts.viewer import rating

KEYS = {"u": "undo", "s": "skip", "f": "flag", "n": "note", "x": "flicker"}
REST_AFTER_MIN = 20


def campaign(name: str) -> Campaign | None:
    """The open campaign that this rater works on, or None where there is none."""
    found = {one.name: one for one in Campaigns(database()).find() if one.state == OPEN}
    if not found:
        st.info("No campaign is open: build one with `rhoscope campaign`, open it with `rhoscope labels campaign`.",
                icon=":material/info:")  # fmt: skip
        return None
    chosen = st.selectbox(
        "Campaign", list(found), format_func=lambda key: f"{key}: {found[key].title}", key="rating-campaign", width=640
    )
    return found[str(chosen)]


def desk(of: Campaign, name: str) -> None:
    question = get_question(of.question)
    with st.expander("What is asked", expanded=False):
        st.markdown(
            f"{question.text.format(class_name='…')}\n\n"
            + "\n".join(f"- **{one.key}** {one.title}" for one in question.answers)
            + "\n- **U** takes your last answer back, **S** puts an item off, **F** flags it, **N** adds a note, "
            "**X** shows both pictures in one place by turns.\n\n"
            "Each answer is kept at once; nothing needs to be saved. Nobody sees what others answered."
        )
        st.caption(question.citation)
    st.fragment(_item)(of, name)


def _item(of: Campaign, name: str) -> None:
    """Drawn by itself after each act."""
    queue, said = Queue(database()), st.session_state.setdefault(_key(of, name, "said"), {"serial": 0, "text": ""})
    try:
        tried = _tried(queue, of, name)
        task = tried[0] if tried else queue.next(of.name, name)
        ahead, progress = None if tried else queue.ahead(of.name, name), queue.progress(of.name, name)
    except RhoscopeError as error:
        st.error(str(error))
        return
    if tried:
        st.info(
            "Practice first: nothing of this is kept, and you are told what was expected.", icon=":material/school:"
        )
    key = _key(of, name, "desk")
    try:
        data = _data(of, task, ahead, said, _progress(progress, task is not None and not tried))
    except (OSError, Image.DecompressionBombError):
        item = task.item if task else ""
        st.error(f"The pictures of item {item} are gone, or no pictures: the organiser can put the bundle back.")
        return
    rating(key, data, lambda: _act(of, name, key))
    if task is None:
        st.success("Nothing is left for you to answer here. Thank you.", icon=":material/check:")
    _rest(_key(of, name, "begun"))


def _tried(queue: Queue, of: Campaign, name: str) -> tuple[Task, str] | None:
    """The practice item whose turn it is, for a rater who had answered nothing when this window was opened."""
    key = _key(of, name, "practice")
    if key not in st.session_state:
        st.session_state[key] = queue.practice(of.name) if queue.progress(of.name, name).done == 0 else []
    left: list[tuple[Task, str]] = st.session_state[key]
    return left[0] if left else None


def _act(of: Campaign, name: str, key: str) -> None:
    """What the rater did, done before anything is drawn; the same act sent twice is done once."""
    act: dict[str, Any] = st.session_state[key].act or {}
    said = st.session_state[_key(of, name, "said")]
    if not act or act["serial"] != said["serial"]:
        return
    queue, refused = Queue(database()), False
    try:
        text = _done(queue, of, name, act)
    except RhoscopeError as error:
        text, refused = str(error), True
    st.session_state[_key(of, name, "said")] = {"serial": said["serial"] + 1, "text": text, "refused": refused}


def _done(queue: Queue, of: Campaign, name: str, act: dict[str, Any]) -> str:
    if tried := _tried(queue, of, name):
        if act["do"] != "undo":
            del st.session_state[_key(of, name, "practice")][0]
        expected = get_question(of.question).answer(tried[1])
        return f"{'As' if act.get('answer') == expected.name else 'Not as'} expected: {expected.title}."
    if act["do"] == "answer":
        saved = queue.answer(
            act["token"], act["answer"], act["key"], note=act["note"], flagged=act["flagged"],
            active_ms=act["active_ms"],
        )  # fmt: skip
        title = get_question(of.question).answer(saved.answer).title
        return f"Saved {_clock(saved.at)}: {title}{', late' if saved.late else ''}."
    if act["do"] == "skip":
        queue.skip(act["token"], act["note"])
        return "Put off: it comes again when nothing else is left."
    task = queue.undo(of.name, name)
    return f"Taken back: {get_question(of.question).answer(str(task.earlier)).title}. Answer anew."


def _progress(progress: Progress, at_hand: bool) -> str:
    """The item at hand is leased, so the queue no longer counts it among those that are left."""
    return f"{progress.done} answered, {progress.left + at_hand} left."


def _data(of: Campaign, task: Task | None, ahead: Task | None, said: dict[str, Any], progress: str) -> dict[str, Any]:
    question = get_question(of.question)
    return {
        "serial": said["serial"],
        "refused": said.get("refused", False),
        "said": f"{progress} {said['text']}",
        "question": question.text.format(class_name=task.class_name) if task else "",
        "answers": [{"name": one.name, "title": one.title, "key": one.key} for one in question.answers],
        "keys": KEYS,
        "task": _shown(task, of.bundle_sha256) if task else None,
        "ahead": [_uri(path, of.bundle_sha256) for path in ahead.pictures.values()] if ahead else [],
    }


def _shown(task: Task, bundle: str) -> dict[str, Any]:
    width, height = _size(task.pictures["original"], bundle)
    sides = {side: _uri(task.pictures[side], bundle) for side in ("original", "adversarial")}
    return {"token": task.token, "width": width, "height": height, **sides}


@st.cache_data(max_entries=64, show_spinner=False)
def _uri(path: Path, bundle: str) -> str:
    """Cached for the bundle's hash too: another bundle may come to lie in its place."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


@st.cache_data(max_entries=64, show_spinner=False)
def _size(path: Path, bundle: str) -> tuple[int, int]:
    with Image.open(BytesIO(path.read_bytes())) as picture:
        return picture.size


def _rest(key: str) -> None:
    begun = st.session_state.setdefault(key, datetime.now())
    if (minutes := (datetime.now() - begun).seconds // 60) >= REST_AFTER_MIN:
        st.info(
            f"You have been at it for {minutes} minutes: a short rest keeps answers good.", icon=":material/coffee:"
        )


def _clock(moment: datetime) -> str:
    return moment.astimezone().strftime("%H:%M:%S")


def _key(of: Campaign, name: str, what: str) -> str:
    return f"rating-{what}-{of.name}-{name}"
