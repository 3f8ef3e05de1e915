"""Methods: what each row of the table does, where it comes from, what it costs and where it fails."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from explain_core.methods import METHODS
from explain_core.methods.base import Method
from explain_core.params import Choice, Knob, Pattern, Range, knobs

RHO = {
    "none": "It changes no pixel; ρ plays no part.",
    "optional": "It keeps to ρ where one is given, and has its paper's own form without.",
    "always": "It always keeps to a ρ.",
}


def page() -> None:
    st.header("Methods", anchor=False)
    st.markdown(
        "ρ bounds the root mean square of the change that a method may make, for pixels in 0 … 1: "
        "ρ = 0.02 is about 5 of 255 grey levels on average. Cost counts passes, one forward and one backward each."
    )
    for method in METHODS.values():
        show(method)


def show(method: Method) -> None:
    with st.container(border=True):
        st.subheader(method.title, anchor=False)
        st.markdown(method.summary)
        cost = method.cost(method.params())
        st.markdown(f"**Cost** about {cost:g} passes per ρ with the defaults. **ρ** {RHO[method.rho]}")
        if method.limits:
            st.markdown(f"**Limits** {method.limits}")
        st.caption(method.citation)
        settings = [row(knob) for knob in knobs(method.params)]
        if settings:
            with st.expander(f"Settings of {method.title}"):
                st.table(pd.DataFrame(settings).set_index("Setting"))


def row(knob: Knob) -> dict[str, str]:
    default = "auto" if knob.default is None else f"{knob.default}"
    return {"Setting": knob.name, "Default": default, "Allowed": allowed(knob), "What it does": knob.help}


def allowed(knob: Knob) -> str:
    match knob.rule:
        case Range(low, high, _, unit):
            return f"{low:g} to {high:g} {unit}".strip()
        case Choice(options):
            return ", ".join(options)
        case Pattern(_, hint):
            return hint
    return "yes or no" if knob.kind is bool else "any"


page()
