"""The library's tables on a page, kept in step with the folders; what was done is told once, after the page is new."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import streamlit as st

from annotations.registry import Registry
from explain_core.library.rows import Step, keep_in_step
from pages.parts.store import database

TOLD = "library-told"


def in_step() -> Step:
    """Rows as the folders are; raises StoreError."""
    return keep_in_step(Registry(database()))


def done(text: str) -> None:
    """Draws the page again, with this above it."""
    st.session_state[TOLD] = (None, text)
    st.rerun()


def told(view: str) -> None:
    """What was done last, as long as the view stays: a page that draws itself again does not take it away."""
    where, text = st.session_state.get(TOLD, (view, None))
    if where in (None, view) and text:
        st.session_state[TOLD] = (view, text)
        st.success(text, icon=":material/check:")
    else:
        st.session_state.pop(TOLD, None)


def warn(missing: Iterable[str], faults: Iterable[str]) -> None:
    """What is wrong, a line each."""
    for name in missing:
        st.warning(f"`{name}` is missing: its files are gone. Restore them from a backup.", icon=":material/warning:")
    for fault in faults:
        st.warning(fault, icon=":material/warning:")


@contextmanager
def moving(text: str) -> Iterator[Callable[[float], None]]:
    """A bar while something is at work; gives what moves it."""
    bar = st.progress(0.0, text=text)

    def move(share: float) -> None:
        bar.progress(share, text=text)

    try:
        yield move
    finally:
        bar.empty()
