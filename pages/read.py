"""Read: one case after another, in two steps that are signed."""

from __future__ import annotations

import streamlit as st

from explain_core.errors import RhoscopeError
from pages.parts import rater
from pages.parts.reading import desk


def page() -> None:
    st.header("Read", anchor=False)
    try:
        name = rater.chosen("answer")
        of = desk.study(name) if name is not None else None
        if name is not None and of is not None:
            desk.desk(of, name)
    except RhoscopeError as error:
        st.error(str(error))


page()
