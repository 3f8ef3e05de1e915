"""Settings: people and their roles, the audit log, and how the workspace is."""

from __future__ import annotations

import streamlit as st

from explain_core.errors import RhoscopeError
from pages.parts import rater, settings_audit, settings_health, settings_people, views

VIEWS = {"people": "People", "audit": "Audit log", "health": "Health"}


def page() -> None:
    st.header("Settings", anchor=False)
    try:
        name = rater.chosen("people")
        if name is None:
            return
        view = views.choose("settings", VIEWS)
        if view == "audit":
            settings_audit.show()
        elif view == "health":
            settings_health.show()
        else:
            settings_people.show(name)
    except RhoscopeError as error:
        st.error(str(error))


page()
