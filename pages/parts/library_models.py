"""Registered models: a table of all, and the whole card of one."""

from __future__ import annotations

import json
from dataclasses import asdict

import pandas as pd
import streamlit as st

from explain_core.library import shown
from explain_core.library.rows import Step
from explain_core.models.card import Described
from explain_core.models.registry import Registered, find
from pages.parts import library_rows

CHOSEN = "library-model"


def show(step: Step) -> None:
    rows, faults = shown.models()
    library_rows.warn(step.missing_models, faults)
    if not rows:
        st.info(
            "No model is registered yet: register a network that was trained on the Train page, or import weights.",
            icon=":material/info:",
        )
        return
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="library-models", alt="Registered models")
    names = [f"{row['Name']}@{row['Version']}" for row in rows]
    if st.session_state.get(CHOSEN) not in names:
        st.session_state[CHOSEN] = names[0]
    name, _, version = str(st.selectbox("Card of", names, key=CHOSEN, width=360)).partition("@")
    entry = find(name, version)
    show_card(entry, entry.describe())


def show_card(entry: Registered, told: Described) -> None:
    """Everything that is known of a model, and what can be done with it."""
    with st.container(horizontal=True):
        if st.button("Open in Explore", icon=":material/compare:", type="primary"):
            st.session_state["model"], st.session_state["target"] = entry.spec, "top1"
            st.switch_page("pages/explore.py")
        st.download_button(
            "Download the card", json.dumps(asdict(told), indent=2, ensure_ascii=False),
            f"{entry.name}-{entry.version}.json", "application/json", icon=":material/download:", on_click="ignore",
        )  # fmt: skip
    left, right = st.columns([3, 2], gap="medium")
    with left:
        facts = shown.facts(entry, told)
        st.table(pd.DataFrame({"What": facts.keys(), "Value": facts.values()}).set_index("What"), hide_header=True)
    with right:
        if told.card.recipe:
            st.caption("The recipe it was trained by")
            st.code(told.card.recipe, language="toml", wrap_lines=True, height=480)
        else:
            st.info("There is no recipe: nobody has told how these weights were trained.", icon=":material/info:")
