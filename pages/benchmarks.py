"""Benchmarks: the papers' tables and figures on one's own model and data, beside what was published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from annotations.workspace import runs_folder
from explain_core.errors import RhoscopeError
from explain_core.evaluation import tables
from explain_core.evaluation.result import read_results
from explain_core.protocols import PROTOCOLS
from pages.parts import benchmark_figures as figures
from pages.parts import launching
from pages.parts.figures import QUIET

SHIPPED = Path(__file__).resolve().parents[1] / "docs" / "results"
MOST = 4
SEARCHED = ("attack-ara", "btr-ara")
Arms = Sequence[dict[str, Any]]


def page() -> None:
    st.header("Benchmarks", anchor=False)
    results, start = st.tabs(["Results", "Start"])
    with start:
        launching.start()
    with results:
        launching.watch()
        show_results()


def show_results() -> None:
    files = {path.stem: path for folder in (SHIPPED, runs_folder()) for path in sorted(folder.glob("*.json"))}
    if not files:
        st.info("No results yet: start one beside this, or run `rhoscope evaluate`.", icon=":material/info:")
        return
    chosen = st.multiselect(
        "Results", list(files), default=list(files)[:1], max_selections=MOST, key="bench-results",
        help="Choose two to lay them side by side.",
    )  # fmt: skip
    loaded = {}
    for name in chosen:
        try:
            loaded[name] = read_results(files[name])
        except RhoscopeError as error:
            st.error(str(error))
    for column, (name, arms) in zip(st.columns(max(1, len(loaded))), loaded.items(), strict=False):
        with column:
            show(name, arms)
    if len(loaded) == 2:
        compare(*loaded.items())


def show(name: str, arms: Arms) -> None:
    """One result: what it is, its figure, its table, its downloads and where it comes from."""
    protocol = PROTOCOLS.get(arms[0]["name"])
    origin = arms[0]["provenance"]
    st.subheader(name, anchor=False)
    st.caption(
        f"{protocol.title if protocol else arms[0]['metric']} · {origin['data']['n']} pictures of "
        f"{origin['data']['spec']} · seed {origin['seed']}"
    )
    draw(name, arms)
    figures = pd.DataFrame(tables.table(arms))
    # Four digits: written out, a very small number does not fit its column, and shows its last zeros only.
    short = {str(column): st.column_config.NumberColumn(format="%.4g") for column in figures.select_dtypes("float")}
    st.dataframe(figures, hide_index=True, column_config=short, key=f"table-{name}")
    if protocol and protocol.marks:
        st.caption(f"◇ published: {protocol.setting} {protocol.citation} Not measured here.")
    if searches := {arm["search"] for arm in arms if arm["metric"] in SEARCHED}:
        st.caption(
            f"Search: {', '.join(sorted(searches))}.  A smallest change that was found is no smaller than the smallest "
            "there is: an ARA is an optimistic bound, and a stronger search (`rule=fast`) gives a lower one."
        )
    offer(name, arms)
    with st.expander("Where it comes from"):
        st.json(origin, expanded=False)


def draw(name: str, arms: Arms) -> None:
    protocol = PROTOCOLS.get(arms[0]["name"])
    cells, lines = tables.cells(arms), tables.lines(arms)
    views = ["Bars", "Curves"] if lines.curves else ["Bars"]
    start = "Curves" if lines.curves and protocol and protocol.figure == "curves" else "Bars"
    view = start
    if len(views) > 1:
        view = str(st.segmented_control("Figure", views, default=start, key=f"view-{name}", required=True))
    if view == "Curves":
        figure = figures.curves(lines, protocol.axis if protocol else "")
    else:
        figure = figures.bars(cells, protocol.setting if protocol else "")
    st.plotly_chart(figure, config=QUIET, key=f"figure-{name}", alt=f"{name}. {figures.words(cells)}")


def offer(name: str, arms: Arms) -> None:
    with st.container(horizontal=True):
        for label, ending, content in (
            ("Table (CSV)", "csv", tables.as_csv(tables.table(arms))),
            ("Per picture (CSV)", "pictures.csv", tables.as_csv(tables.per_picture(arms))),
            ("All (JSON)", "json", json.dumps(list(arms))),
        ):
            st.download_button(label, content, f"{name}.{ending}", key=f"{ending}-{name}", on_click="ignore")


def compare(first: tuple[str, Arms], second: tuple[str, Arms]) -> None:
    found = tables.differences(first[1], second[1])
    if not found:
        return
    st.subheader(f"{second[0]} less {first[0]}", anchor=False)
    st.caption("Where both runs hold the same pictures, the error is that of the paired difference.")
    st.dataframe(pd.DataFrame(found), hide_index=True, key="differences")


page()
