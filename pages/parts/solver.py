"""The engine that all pages ask."""

from __future__ import annotations

import streamlit as st

from explain_core import engine


@st.cache_resource(show_spinner="Starting the engine …")
def shared_engine() -> engine.Engine:
    """One engine for all sessions of this server; raises RhoscopeError where what is set for it cannot be."""
    return engine.Engine(disk=engine.asked_disk())
