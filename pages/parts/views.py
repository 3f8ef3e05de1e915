"""What a page shows of its several views."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st


def choose(page: str, views: Mapping[str, str]) -> str:
    """One of the page's views, by name; the first one to begin with.  It is kept under PAGE-view."""
    key = f"{page}-view"
    st.session_state.setdefault(key, next(iter(views)))
    view = st.segmented_control(
        "View", list(views), format_func=views.__getitem__, key=key, required=True, label_visibility="collapsed",
        persist_state="session",
    )  # fmt: skip
    return str(view)
