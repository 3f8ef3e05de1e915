"""Training runs as they stand: a table of all, and curves of those that are looked at, drawn again while they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from explain_core.errors import RhoscopeError
from explain_core.records import Run
from explain_core.training import curves
from explain_core.training.curves import Curves
from explain_core.training.estimate import differing
from pages.parts import runs, training_figures
from pages.parts.figures import QUIET
from pages.parts.training_start import KIND

EVERY_S = 2.0
MOST = 4
LISTED = 200
SHOWN, ACTIVE = "runs", "train-active"


def show() -> list[Run]:
    """Everything there is about runs; returns those looked at."""
    found = runs.store().find(kind=KIND, most=LISTED)
    if not found:
        st.info("No network has been trained here yet: start a run beside this.", icon=":material/info:")
        return []
    st.fragment(_table, run_every=EVERY_S if any(run.under_way for run in found) else None)()
    titles = {run.id: run.title for run in found}
    if SHOWN not in st.session_state:
        st.session_state[SHOWN] = [found[0].id]
    if set(st.session_state[SHOWN]) - set(titles):  # setting it always would undo what is chosen meanwhile
        st.session_state[SHOWN] = [name for name in st.session_state[SHOWN] if name in titles]
    chosen = st.multiselect(
        "Look at", list(titles), format_func=titles.__getitem__, key=SHOWN, max_selections=MOST,
        persist_state="session", help="Several are drawn in the same axes.",
    )  # fmt: skip
    looked = [run for name in chosen for run in found if run.id == name]
    if looked:
        active = any(run.under_way for run in looked)
        st.fragment(_details, run_every=EVERY_S if active else None)([run.id for run in looked])
    return looked


def _table() -> None:
    """Drawn by itself; when a run has ended, the whole page, for what can be done with it then."""
    found = runs.store().find(kind=KIND, most=LISTED)
    active = sum(run.under_way for run in found)
    ended = active < st.session_state.get(ACTIVE, 0)
    st.session_state[ACTIVE] = active
    if ended:
        st.rerun()
    try:
        runs.see_to(found)
    except RhoscopeError as error:
        st.error(str(error))
    st.dataframe(
        pd.DataFrame([_row(run) for run in found]),
        hide_index=True,
        height="content" if len(found) <= 8 else 320,
        key="train-table",
        column_config={
            "Progress": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1, width="small"),
            "Note": st.column_config.TextColumn(width="medium"),
            "Asked for": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
        },
        alt="; ".join(f"{run.title}: {run.state}, {run.progress:.0%}" for run in found),
    )


def _row(run: Run) -> dict[str, object]:
    recipe = run.spec.get("recipe", {})
    return {
        "Run": run.title,
        "State": run.state,
        "Progress": run.progress,
        "Note": run.error or (run.note if run.state != "done" else ""),
        "Recipe": recipe.get("title", ""),
        "Pictures": run.spec.get("data", ""),
        "Asked for": run.created,
    }


def _details(names: Sequence[str]) -> None:
    """Progress and curves of these runs."""
    looked = [runs.store().get(name) for name in names]
    for run in looked:
        if run.state != "done":
            runs.show(run)
    read = {run.title: curves.read_curves(run.folder) for run in looked}
    drawn = curves.figures(read.values())
    if not drawn:
        st.caption("The curves begin with the first steps.")
        return
    for title_names, place in zip(drawn.items(), _places(len(drawn)), strict=True):
        with place:
            _figure(read, *title_names)
    _numbers(looked, read)


def _places(count: int) -> list[st.delta_generator.DeltaGenerator]:
    """Two beside each other, as many rows as are needed."""
    rows = [st.columns(2, gap="medium") for _ in range((count + 1) // 2)]
    return [place for row in rows for place in row][:count]


def _figure(read: Mapping[str, Curves], title: str, names: Sequence[str]) -> None:
    log = title == curves.LOSS and curves.wide(read.values(), names)
    st.markdown(f"**{title}**{', logarithmic' if log else ''}")
    st.plotly_chart(
        training_figures.lines(read, names, log=log), config=QUIET, key=f"train-{title}",
        alt=f"{title}. {training_figures.words(read, names)}",
    )  # fmt: skip


def _numbers(looked: Sequence[Run], read: Mapping[str, Curves]) -> None:
    """Where the curves end, in what the recipes differ, and every number to take away."""
    if len(looked) > 1:
        left, right = st.columns(2, gap="medium")
        left.markdown("**Where the curves stand**")
        left.dataframe(
            pd.DataFrame({run: curves.latest(found) for run, found in read.items()}), key="train-latest",
            column_config={run: st.column_config.NumberColumn(format="%.4g") for run in read},
        )  # fmt: skip
        rows = differing({run.title: run.spec.get("recipe", {}) for run in looked})
        right.markdown("**In what the recipes differ**" if rows else "**The recipes are the same**")
        if rows:
            right.dataframe(pd.DataFrame(rows), hide_index=True, key="train-differing")
    st.download_button(
        "All points (CSV)", curves.as_csv(read), "curves.csv", "text/csv", key="train-csv", on_click="ignore",
        icon=":material/download:",
    )  # fmt: skip
    for run in looked:
        if run.state == "done":
            runs.said(run, f"What {run.title} said")
