"""The table of pages.  `python app.py [--server.port=…]` serves it, and so does `streamlit run app.py`.

Streamlit's server imports this file for its `app`, and runs it as a script for every visit.
"""

from __future__ import annotations

import sys
import threading
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from streamlit import runtime
from streamlit.navigation.page import StreamlitPage
from streamlit.runtime.pages_manager import PagesManager
from streamlit.web import cli

from annotations.people import Right
from explain_core.errors import RhoscopeError
from explain_core.heap import keep_pages
from pages.parts import pixels, sign_in, starting, watch

# Streamlit leaves six empty rem above the first line, and writes what is chosen in white on the dark theme's blue.
STYLE = """
.stMainBlockContainer { padding-top: 3.5rem; padding-bottom: 3rem; }
[data-tag] { background: rgb(128 128 128 / 25%) !important; }
[data-tag], [data-tag] * { color: inherit !important; }
[data-testid^="stBaseButton-primary"]:enabled * { color: light-dark(#ffffff, #101218) !important; }
"""


# A page, its icon, and the right that it takes of whoever has signed in (docs/teams.md).
PAGES: tuple[tuple[str, str, Right], ...] = (
    ("explore", "compare", "answer"),
    ("review", "radiology", "answer"),
    ("read", "clinical_notes", "answer"),
    ("annotate", "keyboard", "answer"),
    ("campaigns", "groups", "organise"),
    ("train", "model_training", "organise"),
    ("library", "inventory_2", "organise"),
    ("benchmarks", "leaderboard", "organise"),
    ("methods", "menu_book", "answer"),
    ("settings", "settings", "people"),
)


def show() -> None:
    """What stands on every page, and the page that was asked for."""
    st.set_page_config(page_title="Rhoscope", layout="wide", initial_sidebar_state="collapsed")
    st.html(f"<style>{STYLE}</style>")
    try:
        refusals = {right: sign_in.refused(right) for right in {right for _, _, right in PAGES}}
        pages = [_page(name, icon, hidden=bool(refusals[right])) for name, icon, right in PAGES]
        page = st.navigation(pages, position="top")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(":material/science: **Research use only, not for diagnosis.**")
            watch.keep_watch(page.title)
        if not watch.door():
            return
    except RhoscopeError as error:
        st.error(str(error))
        return
    refusal = next(refusals[right] for name, _, right in PAGES if name.title() == page.title)
    if refusal:
        st.info(refusal, icon=":material/lock:")
    elif starting.under_way() and page.title == PAGES[0][0].title():
        starting.show()
    else:
        try:
            page.run()
        except RhoscopeError as error:  # such as a setting of the engine that cannot be
            st.error(str(error))


def _page(name: str, icon: str, *, hidden: bool) -> StreamlitPage:
    return st.Page(
        f"pages/{name}.py", title=name.title(), icon=f":material/{icon}:", default=name == PAGES[0][0],
        visibility="hidden" if hidden else "visible",
    )  # fmt: skip


@asynccontextmanager
async def opened(_: st.App) -> AsyncIterator[None]:
    """Begins to start the engine, and opens a browser where there is a desktop; Streamlit does so for scripts only."""
    starting.begin()
    if not st.get_option("server.headless"):
        listens = st.get_option("server.address")
        host = "localhost" if listens in (None, "", "0.0.0.0", "::") else listens
        where = f"http://{f'[{host}]' if ':' in host else host}:{st.get_option('server.port')}"
        threading.Thread(target=webbrowser.open, args=(where,), daemon=True).start()
    yield


if runtime.exists():
    show()
elif __name__ == "__main__":
    cli.main(["run", __file__, *sys.argv[1:]])
else:
    # Before its first page, Streamlit takes a folder called `pages` for its older kind of app, and would show a page
    # that is asked for by its address without what stands here.
    PagesManager.uses_pages_directory = False
    keep_pages()
    app = st.App(__file__, routes=pixels.ROUTES + watch.ROUTES, lifespan=opened)
