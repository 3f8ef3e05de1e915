"""The audit log: its newest entries, and whether all of it is as it was written."""

from __future__ import annotations

import json

import pandas as pd
import streamlit as st

from annotations import audit
from explain_core.errors import RhoscopeError
from pages.parts.store import database

SHOWN = 200


def show() -> None:
    with st.form("audit-verify", border=False):
        head = st.text_input(
            "A head that was noted earlier", key="audit-head", placeholder="64 hexadecimal digits; may be left out",
            help="With it, what came before it is proved not to have been replaced.", width=640,
        ).strip()  # fmt: skip
        if st.form_submit_button("Verify", icon=":material/verified:", type="primary"):
            _verify(head or None)
    _entries()


def _verify(head: str | None) -> None:
    try:
        with st.spinner("Reading the whole log …"):
            found = audit.verify(database(), head)
    except RhoscopeError as error:
        st.error(str(error))
        return
    st.success(f"All {found.entries} entries are as they were written, and so is what they tell of. The head is now")
    st.code(found.head, language=None)
    st.caption("Note it elsewhere, on paper or in a mail.")


def _entries() -> None:
    """From the newest on; older ones by the number that they lie before."""
    before = st.number_input(
        "Entries before number", min_value=1, value=None, step=SHOWN, key="audit-before", placeholder="the newest",
        width=240,
    )  # fmt: skip
    found = audit.entries(database(), most=SHOWN, before=int(before) if before else None)
    rows = [
        {"Number": one.number, "When": one.moment, "Who": one.who, "What": one.what,
         "Detail": json.dumps(one.detail, ensure_ascii=False)}
        for one in found
    ]  # fmt: skip
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="audit", height=480, alt="Audit log")
