"""Components without a build step: a slider, a panel of pictures, what is being solved, what raters
are told, and an item with its keys.

The panel holds its pictures for every ρ, and the slider tells it in the browser which one to show:
a move costs no round trip and no work on the server.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent


def _component(name: str, *parts: str) -> Any:
    """`parts` are scripts without exports that stand before the component's own."""
    html, css = ((HERE / f"{name}.{ending}").read_text(encoding="utf-8") for ending in ("html", "css"))
    js = "".join((HERE / f"{one}.js").read_text(encoding="utf-8") for one in (*parts, name))
    return st.components.v2.component(f"rhoscope_{name}", html=html, css=css, js=js, isolate_styles=False)


_bar, _panel, _solving, _instructions = map(_component, ("bar", "panel", "solving", "instructions"))
_rating = _component("rating", "keys", "ellipse")


def bar(name: str, label: str, values: list[str], ticks: list[int], start: int) -> int:
    """A slider over texts; returns the index it rests on, `start` until somebody moves it."""
    data = {"id": name, "label": label, "values": values, "ticks": ticks, "index": start}
    moved = _bar(key=f"{name}-bar", data=data, on_index_change=lambda: None).index
    return start if moved is None else int(moved)


def panel(key: str, data: dict[str, Any]) -> None:
    """One method's pictures and figures along ρ; see `panels.data_of` for what `data` holds."""
    _panel(key=key, data=data)


def solving(data: dict[str, Any]) -> None:
    """Tells the panels how far their answers are, by the key of the job, without drawing them again."""
    _solving(key="solving", data={"jobs": data}, width=1)


def instructions(key: str, data: dict[str, Any]) -> None:
    """What raters are told; opens by itself once where the data says that somebody begins."""
    _instructions(key=key, data=data)


def rating(key: str, data: dict[str, Any], on_act: Callable[[], None]) -> None:
    """An item to answer by keys; `on_act` finds what was done in the session's state under `key`, as `act`."""
    _rating(key=key, data=data, on_act_change=on_act)
