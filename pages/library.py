"""Library: networks and data sets that have a name and a version, and the workspace in one file."""

from __future__ import annotations

import streamlit as st

from explain_core.errors import RhoscopeError
from pages.parts import library_backup, library_data, library_import, library_models, library_rows, views

VIEWS = {"models": "Models", "import": "Import weights", "data": "Data sets", "backup": "Backup"}


def page() -> None:
    st.header("Library", anchor=False)
    view = views.choose("library", VIEWS)
    library_rows.told(view)
    try:
        step = library_rows.in_step()
        if view == "models":
            library_models.show(step)
        elif view == "import":
            library_import.ask()
        elif view == "data":
            library_data.show(step)
        else:
            library_backup.show()
    except RhoscopeError as error:
        st.error(str(error))


page()
