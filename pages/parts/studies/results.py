"""What a study has come to: its tables to take away, and the figures of its analysis as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from annotations import audit
from annotations.agreement import AGREEMENT
from annotations.reading.export import TABLES
from annotations.reading.overseeing import Overseer
from annotations.reading.studies import Study
from explain_core.errors import RhoscopeError
from pages.parts.figures import QUIET
from pages.parts.store import database
from pages.parts.studies import figures, training_set

TITLES = {
    "readings": "Reads", "findings": "Findings", "explanations": "Explanations shown", "regions": "Regions drawn"
}  # fmt: skip
THREE = {name: st.column_config.NumberColumn(format="%.3f") for name in ("Value", "from", "to")}


def show(overseer: Overseer, study: Study, by: str) -> None:
    st.subheader("What came out", anchor=False)
    if overseer.is_blinded(study):
        st.info(
            f"{by} reads in this study: arms, truth and answers are shown once it is closed.",
            icon=":material/visibility_off:",
        )
        return
    with st.container(horizontal=True):
        for table in TABLES:
            st.download_button(
                f"{TITLES[table]} (CSV)", partial(overseer.table, study.name, table), f"{study.name}-{table}.csv",
                "text/csv", key=f"study-{table}", on_click="ignore", icon=":material/download:",
            )  # fmt: skip
    training_set.show(study, by)
    _figures(overseer, study, by)


def _figures(overseer: Overseer, study: Study, by: str) -> None:
    """Worked out when they are asked for: intervals take a while, and an open study grows all the time."""
    key, head = f"study-figures-{study.name}-{by}", audit.head(database())
    if st.button("Work out the figures", key="study-analyse", icon=":material/analytics:"):
        try:
            with st.spinner("Resampling the cases …"):
                st.session_state[key] = (head, overseer.figures(study.name))
        except RhoscopeError as error:
            st.error(str(error))
            return
    if key not in st.session_state:
        return
    overseer.check(study.name)
    then, found = st.session_state[key]
    if then != head:
        st.caption("Something was written into the log since these were worked out: work them out again.")
    _draw(found)
    st.download_button(
        "All figures (JSON)", json.dumps(found, indent=1), f"{study.name}-figures.json", "application/json",
        key="study-json", on_click="ignore", icon=":material/download:",
    )  # fmt: skip


def _draw(found: Mapping[str, Any]) -> None:
    cases, level = found["cases"], found["resampling"]["level"]
    st.caption(
        f"{cases['positive']} cases with a lesion and {cases['negative']} without were read to some step. Intervals of "
        f"{level:.0%}: {found['resampling']['resamples']} resamples of the cases; readers are taken as they are."
    )
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Area under the ROC curve**")
        st.plotly_chart(figures.areas(found["auc"]), config=QUIET, key="study-areas", alt=figures.words(found["auc"]))
    with right:
        st.markdown("**Its differences, of the mean over readers**")
        _table("differences", [
            {"What": f"{row['what']} − {row['minus']}", "Value": row["auc"], "from": row["low"], "to": row["high"]}
            for row in found["differences"]
        ])  # fmt: skip
    for arm in dict.fromkeys(one["arm"] for one in found["roc"]):
        _arm(arm, [one for one in found["roc"] if one["arm"] == arm], [o for o in found["froc"] if o["arm"] == arm])
    with st.expander("Areas and shares as numbers"):
        _table("auc", [
            {"Arm": row["arm"], "Step": row["step"], "Reader": row["reader"], "Reads": row["cases"],
             "Value": row["auc"], "from": row["low"], "to": row["high"]} for row in found["auc"]
        ])  # fmt: skip
        _table("found", [
            {"Arm": one["arm"], "Step": one["step"], "False marks a film": row["false_per_film"],
             "Value": row["found"], "from": row["low"], "to": row["high"]}
            for one in found["froc"] for row in one["mean"]
        ])  # fmt: skip
    st.markdown("**Agreement between readers on coded fields**")
    _table("agreement", [
        {"Arm": row["arm"], "Step": row["step"], "Field": row["field"], "Statistic": AGREEMENT[row["statistic"]].title,
         "Value": row["value"], "from": row["low"], "to": row["high"], "Cases": row["items"], "Remark": row["reason"]}
        for row in found["agreement"]
    ])  # fmt: skip


def _arm(arm: str, roc: Sequence[Mapping[str, Any]], froc: Sequence[Mapping[str, Any]]) -> None:
    for place, title, figure in zip(
        st.columns(2, gap="medium"), ("ROC", "lesions found"), (figures.roc(roc), figures.froc(froc)), strict=True
    ):
        with place:
            st.markdown(f"**{arm}: {title}**")
            st.plotly_chart(figure, config=QUIET, key=f"study-{arm}-{title}", alt=f"{arm}, {title}; numbers below.")


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    st.dataframe(
        pd.DataFrame(rows), hide_index=True, key=f"study-table-{name}", alt=f"Table: {name}", column_config=THREE
    )
