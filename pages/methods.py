"""Methods: what each row of the table does, where it comes from, what it costs and where it fails."""

from __future__ import annotations

import re

import pandas as pd
import streamlit as st

from explain_core.attacks import ATTACKS
from explain_core.engine import ModelCard
from explain_core.methods import METHODS
from explain_core.methods.base import Method
from explain_core.params import Choice, Knob, Pattern, Range, knobs
from pages.parts.choices import cost_of
from pages.parts.pace import passes
from pages.parts.subject import short

RHO = {
    "none": "It has none.",
    "optional": "It keeps to ρ where one is given, and has its paper's own form without.",
    "always": "It always keeps to a ρ.",
}
RHO_SHORT = {"none": "–", "optional": "bound, or none", "always": "bound"}
ORDERS = {"kind": "By kind", "cost": "By cost"}


def page() -> None:
    st.header("Methods", anchor=False)
    st.markdown(
        "ρ bounds the root mean square of the change that a method may make, for pixels in 0 … 1: "
        "ρ = 0.02 is about 5 of 255 grey levels on average. Cost counts passes, one forward and one backward each."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input("Search", placeholder="mask, gradient, attack, an author, a year …", key="search")
        order = st.segmented_control(
            "Order", list(ORDERS), format_func=ORDERS.__getitem__, default="kind", required=True, key="order"
        )
    found = [method for method in METHODS.values() if matches(method, words)]
    if order == "cost":
        found.sort(key=cost_of)
    if not found:
        st.info(f"No method has all of “{words}”. Try fewer words.")
        return
    card: ModelCard | None = st.session_state.get("card")
    if card:
        st.caption(f"Last column: with {escaped(short(card.spec))}, the model of the Explore page.")
    st.markdown(contents(found, card))
    for method in found:
        show(method, card)


def matches(method: Method, words: str) -> bool:
    """Whether every word stands somewhere in what is said of the method."""
    said = " ".join((method.name, method.title, method.summary, method.limits, method.citation, RHO[method.rho]))
    if method.name in ATTACKS:
        said += " attack"
    return all(word in said.casefold() for word in words.casefold().split())


def contents(found: list[Method], card: ModelCard | None) -> str:
    """The table of contents, with a column for the model of the Explore page."""
    model = ["Works there"] if card else []
    head = ["Method", "What it shows", "Passes", "ρ", "To mind", *model]
    lines = [head, ["---"] * len(head), *(line(method, card) for method in found)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def line(method: Method, card: ModelCard | None) -> list[str]:
    link = f"[{escaped(method.title)}](#{method.name})"
    cost = passes(cost_of(method))
    cells = [link, escaped(method.summary), cost, RHO_SHORT[method.rho], escaped(method.limits)]
    return cells if card is None else [*cells, "no" if method.name in card.cannot else "yes"]


def escaped(text: str) -> str:
    """As Markdown that means nothing but the text."""
    return re.sub(r"([\\`*_{}\[\]<>()#|$~:])", r"\\\1", text)


def show(method: Method, card: ModelCard | None) -> None:
    with st.container(border=True):
        st.subheader(method.title, anchor=method.name)
        st.markdown(method.summary)
        each = "" if method.rho == "none" else " for each ρ"
        cost = passes(cost_of(method))
        st.markdown(f"**Cost** about {cost} passes{each} with the defaults. **ρ** {RHO[method.rho]}")
        if method.limits:
            st.markdown(f"**Limits** {method.limits}")
        if card and method.name in card.cannot:
            st.markdown(f"**Not with {escaped(short(card.spec))}** {escaped(card.cannot[method.name])}")
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
