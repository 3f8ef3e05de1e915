"""The table of pages.  `python app.py [--server.port=…]` serves it, and so does `streamlit run app.py`."""

from __future__ import annotations

import sys

import streamlit as st
from streamlit import runtime
from streamlit.runtime.pages_manager import PagesManager
from streamlit.web import cli

# Streamlit leaves six empty rem above the first line, and writes what is chosen in white on the dark theme's blue.
STYLE = """
.stMainBlockContainer { padding-top: 3.5rem; padding-bottom: 3rem; }
[data-tag] { background: rgb(128 128 128 / 25%) !important; }
[data-tag], [data-tag] * { color: inherit !important; }
[data-testid^="stBaseButton-primary"]:enabled * { color: light-dark(#ffffff, #101218) !important; }
"""


def show() -> None:
    """What stands on every page, and the page that was asked for."""
    st.set_page_config(page_title="Rhoscope", layout="wide", initial_sidebar_state="collapsed")
    st.html(f"<style>{STYLE}</style>")
    pages = [
        st.Page("pages/explore.py", title="Explore", icon=":material/compare:", default=True),
        st.Page("pages/annotate.py", title="Annotate", icon=":material/keyboard:"),
        st.Page("pages/campaigns.py", title="Campaigns", icon=":material/groups:"),
        st.Page("pages/train.py", title="Train", icon=":material/model_training:"),
        st.Page("pages/library.py", title="Library", icon=":material/inventory_2:"),
        st.Page("pages/benchmarks.py", title="Benchmarks", icon=":material/leaderboard:"),
        st.Page("pages/methods.py", title="Methods", icon=":material/menu_book:"),
        st.Page("pages/settings.py", title="Settings", icon=":material/settings:"),
    ]
    page = st.navigation(pages, position="top")
    st.caption(":material/science: **Research use only, not for diagnosis.**")
    page.run()


def serve() -> None:
    """Before its first page, Streamlit takes a folder called `pages` for its older kind of app, and would show
    a page that is asked for by its address without what stands here."""
    PagesManager.uses_pages_directory = False
    cli.main(["run", __file__, *sys.argv[1:]])


if runtime.exists():
    show()
elif __name__ == "__main__":
    serve()
