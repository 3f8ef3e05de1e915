"""Annotate: one item after another, one key for each answer, nothing to save."""

from __future__ import annotations

import streamlit as st

from explain_core.errors import RhoscopeError
from pages.parts import labelling, rater


def page() -> None:
    st.header("Annotate", anchor=False)
    try:
        name = rater.chosen("answer")
        if name is None:
            return
        campaign = labelling.campaign(name)
        if campaign is not None:
            labelling.desk(campaign, name)
    except RhoscopeError as error:
        st.error(str(error))


page()
