"""The viewer of films: hung as radiologists hang them, windowed, zoomed, measured and drawn on in the browser.

A component without a build step (docs/review.md); `data.py` makes what it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent
PARTS = ("greys", "tiles", "draw", "shapes", "easel", "view", "acts", "films")
"""Scripts of one scope, of which the last has the component's function."""


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


_films = st.components.v2.component(
    "rhoscope_films", html=_text("films.html"), css=_text("films.css"),
    js="".join(_text(f"{part}.js") for part in PARTS), isolate_styles=False,
)  # fmt: skip


def viewer(key: str, data: dict[str, Any], on_act: Callable[[], None]) -> None:
    """Shows films; `on_act` finds in the session's state under `key`, as `act`, what was done:

        {"regions": {film: [{"id": …, "ellipse": {…}}, …]}, "painted_ms": 412}

    Regions are those of films that were drawn on, complete, as `explain_core/shapes.py` records them; `painted_ms`
    is how long all films took to be seen, None as long as some are not.
    """
    _films(key=key, data=data, on_act_change=on_act)
