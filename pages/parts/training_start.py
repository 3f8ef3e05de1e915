"""Starting a training run from the page: its pictures, its name, what it will take."""

from __future__ import annotations

import re

import streamlit as st

from annotations.workspace import runs_folder
from explain_core.data.sources import SOURCES
from explain_core.errors import RhoscopeError
from explain_core.training import curves
from explain_core.training.estimate import Estimate, Found, alike, estimate, look
from explain_core.training.recipe import Recipe
from pages.parts import recipe_choice, recipe_form, runs
from pages.parts.pace import passes, words

KIND, ENDING = "train", ".train"
DATA, MOST, NAME, FOUND = "train-data", "train-n", "train-name", "train-found"


def new_run() -> str | None:
    """The whole form of a new run; the id of the run that was started just now, or None."""
    begun = recipe_choice.ask()
    if begun is None:
        return None
    editing, asking = st.columns([5, 3], gap="medium")
    with editing:
        recipe = recipe_form.ask(begun)
    with asking:
        return _ask(begun, recipe)


def _ask(begun: tuple[str, Recipe], recipe: Recipe | None) -> str | None:
    with st.container(border=True):
        data, n = _data()
        name = _name(begun[0])
        looked = st.button("Look at the pictures", help="Counts them and their classes; reads no picture.")
        if looked and recipe is not None:
            _look(data, n, recipe)
        found: Found | None = st.session_state.get(FOUND)
        found = found if found and (found.spec, found.n) == (data, n) else None
        if found:
            st.markdown(found.told.replace("_", r"\_"))
        if recipe is not None:
            _tell(recipe, found)
        pressed = st.button(
            "Start training", type="primary", icon=":material/play_arrow:", disabled=recipe is None, width="stretch"
        )
        started = _start(name, recipe, data, n) if pressed and recipe is not None else None
    if recipe is not None:
        _show(begun, recipe)
    return started


def _data() -> tuple[str, int | None]:
    data = st.text_input(
        "Training pictures", key=DATA, placeholder="npz:FILE", persist_state="session",
        help="A data spec, such as folder:DIR with a folder for each class.",
    )  # fmt: skip
    with st.popover("Forms of data", width="stretch"):
        st.markdown("\n".join(f"- `{source.form}`: {source.help}" for source in SOURCES.values()))
    n = st.number_input(
        "How many of them", min_value=2, value=None, step=1, placeholder="all", key=MOST, persist_state="session",
        help="So many are drawn with the schedule's seed; empty: all.",
    )  # fmt: skip
    return data.strip(), None if n is None else int(n)


def _name(recipe: str) -> str:
    """Offers the recipe's name, with a number where a run has it already, until somebody types another."""
    offered = st.session_state.get("train-offered")
    if st.session_state.get(NAME) in (None, "", offered):
        st.session_state[NAME] = st.session_state["train-offered"] = _unused(re.sub(r"[^\w.\-]", "-", recipe)[:70])
    return str(st.text_input("Name of the run", key=NAME, persist_state="session")).strip()


def _unused(name: str) -> str:
    number, free = 1, name
    while (runs_folder() / f"{free}{ENDING}").exists():
        number += 1
        free = f"{name}-{number}"
    return free


def _look(data: str, n: int | None, recipe: Recipe) -> bool:
    try:
        if not data:
            st.error("Training pictures: none given; the forms are listed above.")
            return False
        with st.spinner("Looking …", show_time=True):
            st.session_state[FOUND] = look(data, n, recipe)
    except (RhoscopeError, OSError) as error:
        st.error(str(error))
        return False
    return True


def _tell(recipe: Recipe, found: Found | None) -> None:
    """What the run will take, as far as that is known."""
    if found is None:
        st.caption("What it will take is counted once the pictures have been looked at.")
        return
    taken = estimate(recipe, found.pictures)
    held = f", {taken.held_out:,} held out" if taken.held_out else ""
    dear = "".join(f" + {passes(cost)} {name}" for name, cost in taken.parts.items())
    st.markdown(
        f"**{passes(taken.passes)} passes** (one picture forward and backward): {taken.steps:,} steps of "
        f"{min(recipe.schedule.batch, taken.learnt):,} pictures{held}; each picture costs {passes(taken.a_step)}"
        f"{f' (1{dear})' if dear else ''}."
    )
    st.caption(_time(recipe, taken))


def _time(recipe: Recipe, taken: Estimate) -> str:
    for run in runs.store().find(kind=KIND, most=200):
        if alike(recipe, run.spec.get("recipe", {})):
            pace = curves.pace(curves.read_curves(run.folder))
            if pace:
                return f"By the pace of {run.title}: {words(taken.seen / pace)}."
    return "How long that takes is not known before such a run was seen here; it tells after its first steps."


def _start(name: str, recipe: Recipe, data: str, n: int | None) -> str | None:
    if runs.misnamed(name):
        return None
    folder = runs_folder() / f"{name}{ENDING}"
    if folder.exists():
        st.error(f"Name {name!r}: there is such a run already; continue that one, or choose another name.")
        return None
    if not _look(data, n, recipe):
        return None
    spec = {"recipe": recipe.as_dict(), "data": data, "n": n}
    try:
        run = runs.store().submit(KIND, spec, title=name, out=folder)
        runs.set_going()
    except RhoscopeError as error:
        st.error(str(error))
        return None
    st.toast(f"{name} was started.")
    return run.id


def _show(begun: tuple[str, Recipe], recipe: Recipe) -> None:
    """The recipe as it will be run, to be read and taken away."""
    text = recipe.as_toml()
    changes = recipe_form.changed(begun[1], recipe)
    if changes:
        told = "\n".join(f"- `{field}`: {value}" for field, value in changes.items())
        st.markdown(f"**Changed from {begun[0]}**\n\n{told}")
        st.button("Undo the changes", on_click=recipe_form.lay_out, args=(begun[1],), icon=":material/undo:")
    with st.expander("The recipe as it will be run (TOML)", key="train-toml"):
        st.code(text, language="toml", wrap_lines=True)
    st.download_button(
        "Download the recipe", text, f"{begun[0]}.toml", "application/toml", on_click="ignore",
        icon=":material/download:",
    )  # fmt: skip
