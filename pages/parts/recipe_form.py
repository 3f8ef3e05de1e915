"""Every field of a recipe as a widget, part by part; a fault stands beside the field it concerns."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from explain_core.errors import ParamError
from explain_core.models.architectures import ARCHITECTURES
from explain_core.params import Params, knobs
from explain_core.training.estimate import fields
from explain_core.training.recipe import Recipe
from explain_core.training.schedule import InputParams, ScheduleParams
from explain_core.training.terms import TERMS
from pages.parts import knobs as widgets

WIDE = 172  # screen pixels of a field
TITLE, NETWORK, TERM = "train-title", "train-architecture", "train-terms"
AE_SCHEDULE = "AE §III-I: SGD, warm-up and steps; every other paper says less, which each recipe notes."


def lay_out(recipe: Recipe) -> None:
    """Puts a recipe's values into the widgets, before they are drawn."""
    st.session_state[TITLE] = recipe.title
    st.session_state[NETWORK] = recipe.architecture
    st.session_state[TERM] = list(recipe.terms)
    _put(recipe.network, f"train.network.{recipe.architecture}")
    _put(recipe.input, "train.input")
    _put(recipe.schedule, "train.schedule")
    for name, row in TERMS.items():
        _put(recipe.terms.get(name, row.params()), f"train.terms.{name}")


def _put(params: Params, key: str) -> None:
    widgets.reset(type(params), key)
    widgets.put(type(params), key, widgets.differing(params, key))


def ask(begun: tuple[str, Recipe]) -> Recipe | None:
    """The recipe as the widgets have it, or None while a field has a fault; faults are listed."""
    title = st.text_input("Title", key=TITLE, persist_state="session", max_chars=200)
    faults: list[str] = []
    architecture, network = _network(faults)
    terms = _terms(faults)
    schedule = _part("Schedule", AE_SCHEDULE, ScheduleParams, "schedule", faults)
    input = _part("Input", "What the network takes.", InputParams, "input", faults)
    if faults or network is None or not isinstance(input, InputParams) or not isinstance(schedule, ScheduleParams):
        st.error(f"To be corrected first: {', '.join(faults)}.")
        return None
    made = Recipe(title, begun[1].source, begun[1].note, architecture, network, input, schedule, terms)
    try:
        return Recipe.of({**made.as_dict(), "note": _note(begun, made)})
    except ParamError as error:
        st.error(str(error))
        return None


def _note(begun: tuple[str, Recipe], made: Recipe) -> str:
    """The recipe's own note, and what was changed here: the paper's figures do not speak of that."""
    name, recipe = begun
    changes = changed(recipe, made)
    told = ", ".join(f"{field} {value}" for field, value in changes.items())
    return f"{recipe.note} Changed from {name}: {told}.".strip() if changes else recipe.note


def changed(before: Recipe, after: Recipe) -> Mapping[str, str]:
    """Fields whose values are others, with the new value; `left out` for a term that is gone."""
    old, new = (fields(recipe.as_dict()) for recipe in (before, after))
    names = [name for name in {**new, **old} if "." in name and old.get(name) != new.get(name)]
    return {name: str(new.get(name, "left out")) for name in names}


def _network(faults: list[str]) -> tuple[str, Params | None]:
    with st.expander("Network", expanded=True, key="train-part-network"):
        architecture = str(
            st.selectbox(
                "Architecture", list(ARCHITECTURES), format_func=lambda name: f"{ARCHITECTURES[name].title} ({name})",
                key=NETWORK, persist_state="session",
            )
        )  # fmt: skip
        row = ARCHITECTURES[architecture]
        st.caption(f"{row.summary} {row.citation}")
        return architecture, _fields(row.params, f"network.{architecture}", "network", faults)


def _part(title: str, told: str, schema: type[Params], name: str, faults: list[str]) -> Params | None:
    with st.expander(title, expanded=True, key=f"train-part-{name}"):
        st.caption(told)
        return _fields(schema, name, name, faults)


def _terms(faults: list[str]) -> dict[str, Params]:
    """The terms chosen, each with its fields; the loss is their sum."""
    chosen = st.multiselect(
        "Terms", list(TERMS), format_func=lambda name: TERMS[name].title, key=TERM, persist_state="session",
        help="What acts on a batch, and what is added to the loss. Choose more, or take some away.",
    )  # fmt: skip
    if not chosen:
        faults.append("terms (one at least, cross-entropy)")
    found: dict[str, Params] = {}
    for name, row in TERMS.items():
        if name not in chosen:
            continue
        with st.expander(row.title, expanded=True, key=f"train-part-{name}"):
            st.caption(f"{row.summary} {row.citation}")
            params = _fields(row.params, f"terms.{name}", f"terms.{name}", faults)
            if params is not None:
                found[name] = params
    return found


def _fields(schema: type[Params], key: str, name: str, faults: list[str]) -> Params | None:
    if not knobs(schema):
        st.caption("It has no settings.")
    params = widgets.ask(schema, f"train.{key}", WIDE)
    if params is None:
        faults.append(name)
    return params
