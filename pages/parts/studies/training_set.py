"""What readers said as pictures to train on: frozen labels, and a data set made of them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from annotations.reading import labels
from annotations.reading.answers import FINAL, UNAIDED
from annotations.reading.studies import Study
from annotations.workspace import home, runs_folder
from explain_core.errors import RhoscopeError
from explain_core.formats import read_values
from explain_core.reading import pictures
from pages.parts import runs
from pages.parts.store import database

ENDING = ".labels"
RULES = {"majority": "more than half reach it", "mean": "their mean reaches it"}


def show(study: Study, by: str) -> None:
    with st.expander("Reads as labels to train on"):
        st.caption(
            "Of each reader the read that counts in one arm is taken; practice and what is true are no part of it. The "
            "labels are frozen, and every film becomes a picture of 16 bits as a network sees it."
        )
        _ask(study, by)
        for folder in sorted(runs_folder().glob(f"*{ENDING}")):
            if _is_of(folder, study):
                _made(folder)


def _ask(study: Study, by: str) -> None:
    first, second, third = st.columns(3)
    arm = first.selectbox("Arm", [one.name for one in study.arms], key="reads-arm")
    step = second.selectbox("Step", [FINAL, UNAIDED], key="reads-step")
    rule = third.selectbox("A case is positive where", list(RULES), format_func=RULES.__getitem__, key="reads-rule")
    threshold = first.number_input(
        "Suspicion to be reached", 1, 100, value=None, key="reads-threshold", placeholder="1 to 100"
    )
    least = second.number_input("Readers that a case needs", 1, 100, 2, key="reads-least")
    negative = third.text_input("The negative class", "normal", key="reads-negative").strip()
    positive = third.text_input("The positive class", "lesion", key="reads-positive").strip()
    called = first.text_input("Name of the set", key="reads-name", placeholder="letters, digits, dashes").strip()
    if not st.button("Freeze, and make pictures", disabled=not (threshold and called), key="reads-freeze"):
        return
    if runs.misnamed(called):
        return
    folder = runs_folder() / f"{called}{ENDING}"
    try:
        asked = labels.Asked(float(threshold or 0), str(arm), step, rule, int(least), (negative, positive))
        labels.freeze(database(), study.name, asked, by=by, out=folder)
    except RhoscopeError as error:
        st.error(str(error))
        return
    _make(folder)


def _is_of(folder: Path, study: Study) -> bool:
    """Of this study, and whole: a file that is damaged is passed over."""
    try:
        values, _ = read_values(folder / labels.FILE, labels.FORMAT, "the folder of frozen labels", pictures.fault)
    except RhoscopeError:
        return False
    return bool(values.get("setup") == study.setup)


def _made(folder: Path) -> None:
    """What there is of it; where the pictures were interrupted, they can be made."""
    table = folder / pictures.TABLE
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{folder.name.removesuffix(ENDING)}**")
        if table.exists():
            st.code(f"csv:{table}", language=None)
        elif st.button("Make its pictures", key=f"reads-make-{folder.name}"):
            _make(folder)


def _make(folder: Path) -> None:
    bar = st.progress(0.0, "Pictures")

    def tell(share: float) -> None:
        bar.progress(share, "Pictures")

    try:
        pictures.make(folder, home() / "films", on_progress=tell)
    except RhoscopeError as error:
        st.error(str(error))
    else:
        st.success("Train on it with the data spec below.", icon=":material/task_alt:")
    bar.empty()
