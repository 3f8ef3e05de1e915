"""The one database behind the pages, opened once for all of them."""

from __future__ import annotations

import streamlit as st

from annotations.database import Database, open_database
from annotations.workspace import database_url


def database() -> Database:
    """Raises StoreError."""
    return _opened(database_url())


@st.cache_resource
def _opened(url: str) -> Database:
    return open_database(url)
