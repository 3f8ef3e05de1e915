"""What a study shows, computed as a run: its cases, its arms, and the network that is explained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from annotations.workspace import home, runs_folder
from explain_core.errors import RhoscopeError
from explain_core.export import write
from explain_core.methods import METHODS
from explain_core.reading.asked import KIND, build_spec
from explain_core.reading.build import MOST_ARMS, TOP, arms_from
from explain_core.reading.cases import EXAMS, ready_exams, truth_from
from pages.parts import runs

ENDING = ".study"
TRUTH = "truth.csv"
CASES = {"phantom": "Phantoms", EXAMS: "Films of the workspace"}
FIRST_ARMS: dict[str, list[str]] = {"alone": [], "aided": ["gradcam"]}
"""The arms that a form begins with, so that two of them differ."""


def show() -> None:
    """The form of a new build."""
    st.subheader("Compute what is shown", anchor=False)
    st.caption(
        "Every explanation is there before anybody reads. Each reader reads each case in each arm, first without and "
        "then with what the arm shows."
    )
    left, right = st.columns(2)
    model = left.text_input("Model", value="demo", key="study-model").strip()
    title = right.text_input("Title, as readers see it", key="study-title").strip()
    with left:
        data, truth = _ask_cases()
    with right:
        practice = _ask_practice()
    arms = _ask_arms()
    first, second, third = st.columns(3)
    target = first.text_input(
        "Class that is explained", value=TOP, key="study-target", help=f"{TOP}: what the network decides."
    ).strip()
    seed = second.number_input("Seed of the methods", 0, 2**31 - 1, 0, key="study-method-seed")
    called = third.text_input("Name of the build", key="study-build", placeholder="letters, digits, dashes").strip()
    ready = bool(model and title and target and called)
    if st.button("Compute", type="primary", icon=":material/play_arrow:", disabled=not ready, key="study-compute"):
        asked = {"model": model, "practice": practice, "target": target, "title": title, "seed": int(seed)}
        _submit(called, data, arms, truth, asked)


def again(folder_name: str) -> None:
    """The build of this name once more, in its folder: what is there stays, what failed is tried; raises StoreError."""
    out = runs_folder() / f"{folder_name}{ENDING}"
    before = next((run for run in runs.store().find(kind=KIND) if run.out == str(out.absolute())), None)
    if before is None:
        st.error(f"No run made {folder_name} here: build it again where it was made.")
        return
    runs.store().submit(KIND, before.spec, title=folder_name, out=out)
    runs.set_going()
    st.rerun()


def _ask_cases() -> tuple[str, bytes | None]:
    """The spec of the cases, and the table of what is true of films."""
    kind = st.segmented_control(
        "Cases", list(CASES), format_func=CASES.__getitem__, default="phantom", key="study-cases", required=True
    )
    if kind == "phantom":
        count, seed = _phantoms("study-cases", 20, 5, fewest=1)
        return f"phantom:{count},{seed}", None
    chosen = st.multiselect(
        "Exams", ready_exams(home() / "films"), key="study-exams",
        placeholder="All that nobody has to confirm any more",
    )  # fmt: skip
    table = st.file_uploader(
        "What is true: a CSV table of case (PATIENT/EXAM) and label (0 or 1)", "csv", key="study-truth",
        help="Cases without a line are read, and left out of what needs the truth.",
    )  # fmt: skip
    return f"{EXAMS}:{','.join(chosen)}" if chosen else EXAMS, table.getvalue() if table else None


def _ask_practice() -> str:
    st.markdown("Practice cases, whose truth is told afterwards")
    count, seed = _phantoms("study-practice", 2, 6, fewest=0)
    return f"phantom:{count},{seed}" if count else ""


def _phantoms(key: str, count: int, seed: int, *, fewest: int) -> tuple[int, int]:
    left, right = st.columns(2)
    many = left.number_input("Phantoms", fewest, 5000, count, key=f"{key}-count")
    drawn = right.number_input("Seed", 0, 999_999, seed, key=f"{key}-seed", help="Never shown to readers.")
    return int(many), int(drawn)


def _ask_arms() -> list[str]:
    """Each arm as `arm_from` reads it."""
    number = int(st.number_input("Arms", 1, MOST_ARMS, 2, key="study-arms", width=200))
    texts = []
    for place in range(number):
        first, second, third = st.columns([1, 2, 1], vertical_alignment="bottom")
        start, shown = [*FIRST_ARMS.items(), (f"arm-{place + 1}", [])][min(place, len(FIRST_ARMS))]
        name = first.text_input(f"Name of arm {place + 1}", value=start, key=f"study-arm-{place}").strip()
        methods = second.multiselect(
            f"Explanations in arm {place + 1}", list(METHODS), shown, key=f"study-arm-{place}-methods",
            format_func=lambda one: METHODS[one].title, placeholder="None: a second look",
        )  # fmt: skip
        output = third.checkbox("Model's output", key=f"study-arm-{place}-output", help=f"Shown in arm {place + 1}.")
        texts.append(f"{name}={','.join(methods)}{'+output' if output else ''}")
    return texts


def _submit(called: str, data: str, arms: list[str], truth: bytes | None, asked: Mapping[str, Any]) -> None:
    out = runs_folder() / f"{called}{ENDING}"
    try:
        if runs.misnamed(called):
            return
        if out.exists():
            st.error(f"There is a build {called!r} already: choose another name.")
            return
        arms_from(arms)
        if truth is not None:
            truth_from(truth, "The table")
            write(out / TRUTH, truth)
        spec = build_spec(data, arms, truth=out / TRUTH if truth is not None else None, **asked)
        runs.store().submit(KIND, spec, title=called, out=out)
        runs.set_going()
    except RhoscopeError as error:
        st.error(str(error))
        return
    st.rerun()
