"""Campaigns: built, opened and watched by whoever organises them."""

from __future__ import annotations

import streamlit as st

from explain_core.errors import RhoscopeError
from pages.parts import campaign_build, campaign_retrain, campaign_view, rater, views

VIEWS = {"all": "Campaigns", "build": "Build one", "retrain": "Retraining"}


def page() -> None:
    st.header("Campaigns", anchor=False)
    try:
        name = rater.chosen("organise")
        if name is None:
            return
        view = views.choose("campaigns", VIEWS)
        if view == "build":
            campaign_build.show(name)
        elif view == "retrain":
            campaign_retrain.show(name)
        else:
            campaign_view.show(name)
    except RhoscopeError as error:
        st.error(str(error))


page()
