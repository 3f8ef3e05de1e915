"""The table of pages."""

from __future__ import annotations

import streamlit as st

st.set_page_config(page_title="Rhoscope", layout="wide", initial_sidebar_state="collapsed")
pages = [
    st.Page("pages/explore.py", title="Explore", icon=":material/compare:", default=True),
    st.Page("pages/benchmarks.py", title="Benchmarks", icon=":material/leaderboard:"),
    st.Page("pages/methods.py", title="Methods", icon=":material/menu_book:"),
]
# Streamlit leaves six empty rem above the first line.
st.html("<style>.stMainBlockContainer { padding-top: 3.5rem; padding-bottom: 3rem; }</style>")
page = st.navigation(pages, position="top")
st.caption(":material/science: **Research use only, not for diagnosis.**")
page.run()
