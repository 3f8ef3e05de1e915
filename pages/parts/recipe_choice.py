"""Which recipe to begin with: one of a paper, or one's own file; chosen, it is laid out in the form below."""

from __future__ import annotations

import streamlit as st

from explain_core.errors import RhoscopeError
from explain_core.training.catalogue import PAPERS, catalogue
from explain_core.training.recipe import Recipe, parse_recipe
from pages.parts import recipe_form

FILE = "Your own"
LAID = "train-laid"
FIRST = "ae-cifar10"
LONGEST = 100_000
EXAMPLE = 'base = "ae-cifar10"\n\n[schedule]\nepochs = 20\n\n[terms.lipschitz]\nzeta = 0.5'


def ask() -> tuple[str, Recipe] | None:
    """The recipe begun with and its name; None, with a message on the page, while there is none."""
    names = [*catalogue(), FILE]
    st.session_state.setdefault("train-paper", next(iter(names)))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        paper = st.segmented_control("Recipes of", names, key="train-paper", required=True, persist_state="session")
        if paper != FILE:
            name = _of_paper(str(paper))
    begun = _own() if paper == FILE else (name, catalogue()[str(paper)][name])
    if begun is None:
        return None
    if st.session_state.get(LAID) != begun:
        recipe_form.lay_out(begun[1])
        st.session_state[LAID] = begun
    _tell(str(paper), begun[1])
    return begun


def _of_paper(paper: str) -> str:
    recipes, key = catalogue()[paper], f"train-recipe-{paper}"
    st.session_state.setdefault(key, FIRST if FIRST in recipes else next(iter(recipes)))
    return str(
        st.selectbox(
            "Recipe", list(recipes), format_func=lambda name: f"{recipes[name].title} ({name})", key=key,
            help="Type to search.", persist_state="session", width=560,
        )
    )  # fmt: skip


def _tell(paper: str, recipe: Recipe) -> None:
    told = [recipe.source, recipe.note, PAPERS.get(paper, "")]
    st.caption("  \n".join(text for text in told if text) or "No source is stated.")


def _own() -> tuple[str, Recipe] | None:
    """A recipe from a file or from text; what was used last stays until another is."""
    left, right = st.columns([1, 2])
    upload = left.file_uploader("A recipe file", ["toml"], key="train-upload", max_upload_size=1)
    text = right.text_area(
        "… or its text", key="train-text", placeholder=EXAMPLE, height=150, persist_state="session", max_chars=LONGEST,
        help="`base` names a recipe of a paper, of which only the differences are written.",
    )  # fmt: skip
    if upload is not None:
        text = upload.getvalue().decode("utf-8", errors="replace")
    if not text.strip():
        st.info("Give a file, or write a recipe; the paper's recipes can be taken as they are in the other tabs.")
        return None
    try:
        recipe = parse_recipe(text)
    except RhoscopeError as error:
        st.error(str(error))
        return None
    return (upload.name.removesuffix(".toml") if upload is not None else "own", recipe)
