"""Starting an evaluation from the page, and watching those under way."""

from __future__ import annotations

import streamlit as st

from annotations.workspace import runs_folder
from explain_core.errors import RhoscopeError
from explain_core.evaluation.asked import arms_asked
from explain_core.evaluation.found import KIND, adopt
from explain_core.methods import METHODS
from explain_core.metrics import METRICS
from explain_core.protocols import PROTOCOLS
from pages.parts import runs


def start() -> None:
    """The form of a new evaluation; what somebody has typed stays when they turn to another metric."""
    kinds = {**{name: f"{row.title} (protocol)" for name, row in PROTOCOLS.items()},
             **{name: f"{row.title} (metric)" for name, row in METRICS.items()}}  # fmt: skip
    asked = str(st.selectbox("What to run", list(kinds), format_func=kinds.__getitem__, key="bench-what"))
    explain(asked)
    with st.form("bench-start", border=True):
        left, right = st.columns(2)
        data = left.text_input("Data", value="phantom:40,0", key="bench-data", help="Such as voc:DIR or phantom:40,0.")
        models = right.text_input("Models", value="demo", key="bench-models", help="Specs, separated by spaces.")
        named = st.multiselect(
            "Methods",
            list(METHODS),
            default=_methods(asked),
            format_func=lambda name: METHODS[name].title,
            disabled=asked in METRICS and METRICS[asked].of == "model",
            key=f"bench-methods-{asked}",
        )
        first, second, third = st.columns(3)
        n = first.number_input("Pictures", min_value=1, value=40, step=1, key="bench-n")
        seed = second.number_input("Seed", min_value=0, value=0, step=1, key="bench-seed")
        name = third.text_input("Name of the result", value=asked, key=f"bench-name-{asked}")
        settings = st.text_input(
            "Settings", placeholder="rise.samples=1000", help="NAME.KNOB=VALUE, separated by spaces.",
            key="bench-settings",
        )  # fmt: skip
        if st.form_submit_button("Start", type="primary", icon=":material/play_arrow:"):
            launch(asked, name, data, models.split(), named, settings.split(), int(n), int(seed))


def explain(asked: str) -> None:
    """What it measures, and what was published where."""
    if asked in PROTOCOLS:
        protocol = PROTOCOLS[asked]
        st.markdown(f"**{protocol.title}.** {protocol.summary}")
        published = f"Published with: {protocol.setting} {protocol.citation}"
        st.caption(f"Data such as `{protocol.data}`, {protocol.n} pictures.  {published}")
    else:
        metric = METRICS[asked]
        better = "" if metric.better == "neither" else f" {metric.better.capitalize()} is better."
        st.markdown(f"**{metric.title}.** {metric.summary}{better}")
        st.caption(metric.citation)


def _methods(asked: str) -> list[str]:
    if asked in PROTOCOLS:
        return [name for name in PROTOCOLS[asked].methods if name in METHODS]
    return ["gradcam"] if METRICS[asked].of == "method" else []


def launch(
    asked: str, name: str, data: str, models: list[str], methods: list[str], settings: list[str], n: int, seed: int
) -> bool:
    """Puts an evaluation into the table; False, with a message on the page, where it cannot be."""
    try:
        arms_asked(asked, methods, settings, None)
    except RhoscopeError as error:
        st.error(str(error))
        return False
    if runs.misnamed(name):
        return False
    spec = {"name": asked, "data": data, "models": models, "methods": methods, "settings": settings, "rho": None,
            "n": n, "seed": seed}  # fmt: skip
    try:
        runs.store().submit(KIND, spec, title=name, out=runs_folder() / f"{name}.run")
        runs.set_going()
    except RhoscopeError as error:
        st.error(str(error))
        return False
    st.toast(f"{name} was started.")
    return True


def watch() -> None:
    """What is under way or was stopped, also what an earlier version or a shell left in the folder of results."""
    try:
        adopt(runs.store(), runs_folder())
    except (RhoscopeError, OSError) as error:
        st.error(str(error))
    else:
        runs.watch(KIND)
