"""The desk of the Annotate page: what raters are told, the item at hand, and what becomes of a key press."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image

from annotations.campaigns import OPEN, Campaign, Campaigns
from annotations.questions import Question, get_question
from annotations.queue import Practice, Progress, Queue, Task
from explain_core.errors import RhoscopeError
from pages.parts.store import database
from pages.parts.viewer import instructions, rating

KEYS = {"u": "undo", "s": "skip", "f": "flag", "n": "note", "x": "flicker", "i": "instructions"}
DRAWING = {"e": "ellipse", "d": "remove"}
REST_AFTER_MIN = 20
GONE = (OSError, Image.DecompressionBombError)
"""What reading a picture that is no longer there, or none, comes to."""


def campaign(name: str) -> Campaign | None:
    """The open campaign that this rater works on, or None where there is none."""
    found = {one.name: one for one in Campaigns(database()).find() if one.state == OPEN}
    if not found:
        st.info("No campaign is open: a researcher makes one and opens it on the Campaigns page.",
                icon=":material/info:")  # fmt: skip
        return None
    chosen = st.selectbox(
        "Campaign", list(found), format_func=lambda key: f"{key}: {found[key].title}", key="rating-campaign", width=640
    )
    return found[str(chosen)]


def desk(of: Campaign, name: str) -> None:
    queue, question = Queue(database()), get_question(of.question)
    examples, _ = learnt(queue.practice(of.name))
    try:
        shown = [_example(one, question, of.bundle_sha256) for one in examples]
    except GONE:
        st.error("The pictures of the examples are gone, or no pictures: the organiser can put the bundle back.")
        shown = []
    begin = queue.progress(of.name, name).done == 0
    instructions(_key(of, name, "told"), {**told(question), "id": of.name + name, "begin": begin, "examples": shown})
    st.fragment(_item)(of, name)


def learnt(practice: Sequence[Practice]) -> tuple[list[Practice], list[Practice]]:
    """What is shown with its answer, and what is then tried: an answer's first item, if it comes again, is shown."""
    often = Counter(one.answer for one in practice)
    examples: dict[str, Practice] = {}
    for one in practice:
        if often[one.answer] > 1:
            examples.setdefault(one.answer, one)
    return list(examples.values()), [one for one in practice if one not in examples.values()]


def told(question: Question) -> dict[str, Any]:
    """The instructions' words."""
    return {
        "question": question.text.format(class_name="…"),
        "answers": [{"title": one.title, "means": one.means} for one in question.answers],
        "draws": question.shapes,
        "source": question.citation,
    }


def _example(one: Practice, question: Question, bundle: str) -> dict[str, Any]:
    expected = question.answer(one.answer)
    asked, why = question.text.format(class_name=one.task.class_name), one.why or expected.means
    return {**_pictures(one.task, question, bundle), "question": asked, "answer": expected.title, "why": why}


def _item(of: Campaign, name: str) -> None:
    """Drawn by itself after each act."""
    queue, said = Queue(database()), st.session_state.setdefault(_key(of, name, "said"), {"serial": 0, "text": ""})
    try:
        tried = _tried(queue, of, name)
        task = tried.task if tried else queue.next(of.name, name)
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
    except GONE:
        item = task.item if task else ""
        st.error(f"The pictures of item {item} are gone, or no pictures: the organiser can put the bundle back.")
        return
    rating(key, data, lambda: _act(of, name, key))
    if task is None:
        st.success("Nothing is left for you to answer here. Thank you.", icon=":material/check:")
    _rest(_key(of, name, "begun"))


def _tried(queue: Queue, of: Campaign, name: str) -> Practice | None:
    """The practice item whose turn it is, for a rater who had answered nothing when this window was opened."""
    key = _key(of, name, "practice")
    if key not in st.session_state:
        done = queue.progress(of.name, name).done
        st.session_state[key] = learnt(queue.practice(of.name))[1] if done == 0 else []
    left: list[Practice] = st.session_state[key]
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
        expected = get_question(of.question).answer(tried.answer)
        as_expected = "As" if act.get("answer") == expected.name else "Not as"
        return f"{as_expected} expected: {expected.title}. {tried.why}".rstrip()
    if act["do"] == "answer":
        saved = queue.answer(
            act["token"], act["answer"], act["key"], note=act["note"], flagged=act["flagged"],
            active_ms=act["active_ms"], shapes=act["shapes"],
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
        "keys": KEYS | (DRAWING if question.shapes else {}),
        "draws": question.shapes,
        "task": _shown(task, question, of.bundle_sha256) if task else None,
        "ahead": [one["src"] for one in _pictures(ahead, question, of.bundle_sha256)["pictures"]] if ahead else [],
    }


def _shown(task: Task, question: Question, bundle: str) -> dict[str, Any]:
    return {"token": task.token, "ellipse": task.shapes.get("ellipse"), **_pictures(task, question, bundle)}


def _pictures(task: Task, question: Question, bundle: str) -> dict[str, Any]:
    """The question's pictures with their captions, and the size of the first in pixels, which all are shown at."""
    width, height = _size(task.pictures[question.pictures[0][0]], bundle)
    shown = [
        {"name": name, "caption": caption, "src": _uri(task.pictures[name], bundle)}
        for name, caption in question.pictures
    ]
    return {"width": width, "height": height, "pictures": shown}


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
