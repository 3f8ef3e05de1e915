"""What can be done with networks that are trained: look at them, measure them, give one a name for good."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from explain_core.errors import RhoscopeError
from explain_core.metrics import METRICS
from explain_core.models.registry import check_name, register
from explain_core.records import Run
from explain_core.training.training import NETWORK
from pages.parts import launching

MEASURED = ("accuracy-under-attack", "attack-ara", "btr-ara", "vii", "stability-patch", "average-density")
FIRST = ("accuracy-under-attack", "vii")
PICTURES = 100


def offer(finished: Sequence[Run]) -> None:
    """For the finished runs among those looked at."""
    if not finished:
        return
    st.subheader("With " + ("this network" if len(finished) == 1 else "these networks"), anchor=False)
    exploring, measuring, naming = st.columns(3, gap="medium")
    with exploring, st.container(border=True):
        _explore(finished)
    with measuring, st.container(border=True):
        _evaluate(finished)
    with naming, st.container(border=True):
        _register(finished)


def spec_of(run: Run) -> str:
    """The network of a finished run as a model spec."""
    return f"trained:{run.folder / NETWORK}"


def _explore(finished: Sequence[Run]) -> None:
    st.markdown("**Explain it**")
    st.caption("On the Explore page, method by method; a second network beside it, on the same picture.")
    titles = {run.id: run.title for run in finished}
    specs = {run.id: spec_of(run) for run in finished}
    first = st.selectbox("Network", list(titles), format_func=titles.__getitem__, key="train-explored")
    others = [name for name in titles if name != first]
    beside = st.selectbox(
        "Beside it", [*others, ""], format_func=lambda name: titles.get(name, "nothing"),
        key=f"train-beside-{first}-{len(others)}",
    )  # fmt: skip
    if st.button("Open in Explore", icon=":material/compare:", type="primary", width="stretch"):
        st.session_state["model"], st.session_state["target"] = specs[str(first)], "top1"
        if beside:
            st.session_state["compare"], st.session_state["model2"] = "model", specs[str(beside)]
        st.switch_page("pages/explore.py")


def _evaluate(finished: Sequence[Run]) -> None:
    st.markdown("**Measure it**" if len(finished) == 1 else "**Measure them**, on the same pictures")
    st.caption("As runs of their own, on pictures that training has not seen.")
    named = st.multiselect(
        "Metrics", MEASURED, default=FIRST, format_func=lambda name: METRICS[name].title, key="train-metrics"
    )
    data = st.text_input("Pictures to measure on", key="train-measured", placeholder="npz:FILE").strip()
    n = st.number_input("How many", min_value=1, value=PICTURES, step=1, key="train-measured-n")
    if st.button("Start measuring", icon=":material/play_arrow:", width="stretch", disabled=not (named and data)):
        prefix = "-".join(run.title for run in finished)[:50]
        models = [spec_of(run) for run in finished]
        for metric in named:
            launching.launch(metric, f"{prefix}-{metric}", data, models, [], [], int(n), 0)
    st.page_link("pages/benchmarks.py", label="Results: Benchmarks", icon=":material/leaderboard:")


def _register(finished: Sequence[Run]) -> None:
    st.markdown("**Register it**")
    st.caption("Copies it into the workspace under a name and a version that never change.")
    titles = {run.id: run.title for run in finished}
    chosen = st.selectbox("Which", list(titles), format_func=titles.__getitem__, key="train-registered")
    run = next(run for run in finished if run.id == chosen)
    name = st.text_input("Name", placeholder="letters, digits and dashes", key="train-register-name").strip()
    if st.button("Register", icon=":material/bookmark_add:", width="stretch", disabled=not name):
        try:
            check_name(name)
            with st.spinner("Reading it back …"):
                version = register(run.folder / NETWORK, name, extra={"run": run.id})
        except RhoscopeError as error:
            st.error(str(error))
        else:
            st.success(f"It is `registry/{name}@{version}` from now on, here and in the shell.")
