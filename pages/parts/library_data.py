"""Data sets as they were: a table of all, the items of one, and whether it is still the same."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from explain_core.data import manifest
from explain_core.data.manifest import Manifest
from explain_core.data.sources import SOURCES
from explain_core.errors import RhoscopeError
from explain_core.library import shown
from explain_core.library.rows import Step
from pages.parts import library_rows

CHOSEN = "library-data"
SHOWN = 1000


def show(step: Step) -> None:
    rows, faults = shown.datasets()
    library_rows.warn(step.missing_data, faults)
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True, key="library-datasets", alt="Data sets")
    else:
        st.info("No data set is kept yet: give one below.", icon=":material/info:")
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        _keep()
    if rows:
        with right, st.container(border=True):
            names = [f"{row['Name']}@{row['Version']}" for row in rows]
            if st.session_state.get(CHOSEN) not in names:
                st.session_state[CHOSEN] = names[0]
            name, _, version = str(st.selectbox("Data set", names, key=CHOSEN)).partition("@")
            _one(manifest.find(name, version))


def _keep() -> None:
    st.markdown("**Keep a data set as it is**")
    st.caption("Its items' names, labels and sizes, in a version that never changes.")
    name = st.text_input("Name", key="library-data-name", placeholder="letters, digits and dashes").strip()
    forms = ", ".join(f"`{row.form}`" for row in SOURCES.values())
    spec = st.text_input("Data", key="library-spec", placeholder="folder:DIR", help=f"One of {forms}.").strip()
    pictures = st.checkbox(
        "Also the SHA-256 of every picture", key="library-pictures",
        help=f"Decodes them all, of sets of up to {manifest.MOST_DECODED}.",
    )  # fmt: skip
    if st.button("Keep", icon=":material/inventory_2:", type="primary", disabled=not (name and spec)):
        try:
            with library_rows.moving("Reading …") as move:
                made, new = manifest.make_manifest(name, spec, pictures=pictures, on_progress=move)
        except RhoscopeError as error:
            st.error(str(error))
            return
        st.session_state[CHOSEN] = f"{name}@{made.version}"
        library_rows.done(f"`manifest:{name}@{made.version}` " + ("is kept." if new else "was there already."))


def _one(known: Manifest) -> None:
    name = f"{known.name}@{known.version}"
    st.caption(f"{known.n} items, read by")
    st.code(known.spec, language=None, wrap_lines=True)
    items = [(item.name, known.label(item), item.size, item.sha256 or "–") for item in known.items[:SHOWN]]
    table = pd.DataFrame(items, columns=["Item", "Label", "Bytes", "SHA-256"])
    st.dataframe(table, hide_index=True, height=250, key="library-items", alt=f"The first items of {name}")
    with st.container(horizontal=True):
        asked = st.button("Verify", icon=":material/fact_check:", help="Reads the data again and says what differs.")
        st.download_button(
            "Download the manifest", manifest.as_text(known), f"{known.name}-{known.version}.json", "application/json",
            icon=":material/download:", on_click="ignore",
        )  # fmt: skip
    if asked:
        _verify(known)


def _verify(known: Manifest) -> None:
    try:
        with library_rows.moving("Reading …") as move:
            found = manifest.verify(known, on_progress=move)
    except RhoscopeError as error:
        st.error(str(error))
        return
    for line in found.lines():
        (st.warning if found else st.success)(line)
