"""Campaigns and reader studies: built, opened and watched by whoever organises them."""

from __future__ import annotations

import streamlit as st

from explain_core.errors import RhoscopeError
from explain_core.reading.asked import KIND
from pages.parts import campaign_build, campaign_retrain, campaign_view, rater, runs, views
from pages.parts.studies import computing, overview, setting_up

VIEWS = {
    "all": "Campaigns",
    "build": "Build one",
    "retrain": "Retraining",
    "studies": "Reader studies",
    "study": "Set up a study",
}


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
        elif view == "studies":
            overview.show(name)
        elif view == "study":
            setting_up.show(name)
            runs.watch(KIND)
            computing.show()
        else:
            campaign_view.show(name)
    except RhoscopeError as error:
        st.error(str(error))


page()
