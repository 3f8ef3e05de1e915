"""The engine's start: what takes seconds to read in is read beside the server, and the first page does not wait for it.

Whoever needs the engine needs torch.  The server begins to import it as soon as it is up; until that is done,
Explore shows the picture that it is about to explain.
"""

from __future__ import annotations

import threading
from importlib import import_module

import streamlit as st

NEEDED = ("pages.parts.panels", "pages.parts.choices", "pages.parts.solver")
"""What Explore is made of: they import the methods and the engine, and these torch."""
LOOK_EVERY_S = 0.25

_readers: list[threading.Thread] = []


def begin() -> None:
    """Reads in what Explore needs, in a thread of its own, once for the server."""
    if not _readers:
        _readers.append(threading.Thread(target=_read_in, name="rhoscope-start", daemon=True))
        _readers[0].start()


def under_way() -> bool:
    """Whether it is being read in; where nobody has begun, a page imports by itself what it needs."""
    return any(reader.is_alive() for reader in _readers)


def _read_in() -> None:
    for name in NEEDED:
        import_module(name)


def show() -> None:
    """In the place of Explore: the phantom that the address asks for, and what is waited for."""
    from explain_core import render
    from pages.parts import source  # it brings scipy, which the server's own start need not wait for

    picture, words = st.columns([1, 3])
    with words:
        st.fragment(_look, run_every=LOOK_EVERY_S)()
    if st.query_params.get("source", "phantom") == "phantom":
        names = list(source.phantoms())
        asked = st.query_params.get("phantom", "0")
        name = names[int(asked) if asked.isdecimal() and int(asked) < len(names) else 0]
        image = render.picture(render.as_pixels(source.phantoms()[name].pixels))
        picture.image(render.png(image), width=source.WIDEST, output_format="PNG", alt=f"Synthetic mammogram: {name}")


def _look() -> None:
    if not under_way():
        st.rerun()
    st.markdown(":material/hourglass_top: **The engine is starting.** It takes some seconds, once for this server.")
