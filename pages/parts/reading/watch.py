"""The watch over a step: time at work, the cover over what was left alone, and the button that signs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from annotations.reading.places import Task

HERE = Path(__file__).parent


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


_watch = st.components.v2.component(
    "rhoscope_read_watch", html=_text("watch.html"), css=_text("watch.css"), js=_text("watch.js"), isolate_styles=False
)


def watch(key: str, task: Task, on_act: Callable[[], None]) -> None:
    """`on_act` finds in the session's state under `key`, as `act`:

        {"what": "sign" | "here" | "back", "token": …, "active_ms": …, "hidden_ms": …}

    with the times since it was told last.
    """
    data = {"token": task.token, "idle_s": task.idle_s, "active_ms": task.active_ms, "sign": "Sign this step …"}
    _watch(key=key, data=data, on_act_change=on_act)
