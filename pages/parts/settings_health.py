"""How the workspace is: database, disk, worker, runs, versions."""

from __future__ import annotations

import shutil

import pandas as pd
import streamlit as st

from annotations.workspace import home, runs_folder
from explain_core.engine import asked_disk
from explain_core.engine.answers import versions
from explain_core.errors import OutputError
from explain_core.library.shown import size_text
from explain_core.runs.beside import at_work
from pages.parts import runs
from pages.parts.store import database

LOW_BYTES = 2 << 30


def show() -> None:
    facts = _facts()
    st.table(pd.DataFrame({"What": facts.keys(), "Value": facts.values()}).set_index("What"), hide_header=True)
    free = shutil.disk_usage(_there()).free
    if free < LOW_BYTES:
        st.warning(f"Only {size_text(free)} are free: labels are kept as long as there is room; make some.")
    st.caption("Backups are made on the Library page.")
    st.page_link("pages/library.py", label="Library", icon=":material/inventory_2:")


def _facts() -> dict[str, str]:
    counts = {state: len(runs.store().find(states=(state,))) for state in ("waiting", "running", "failed")}
    return {
        "Database": database().name,
        "Workspace": str(home()),
        "Runs": str(runs_folder()),
        "Free on its disk": size_text(shutil.disk_usage(_there()).free),
        "Worker": "at work" if at_work(home()) else "none: the next run starts one",
        "Runs by state": ", ".join(f"{count} {state}" for state, count in counts.items()),
        "Explanations kept": _kept(),
        "Versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
    }


def _kept() -> str:
    disk = asked_disk()
    if disk is None:
        return "in memory, up to 1 GiB; on disk none: rhoscope app --cache DIR keeps them over a restart"
    return f"{disk.nbytes / 2**30:.3f} of at most {disk.limit / 2**30:g} GiB in {disk.folder}"


def _there() -> str:
    """The nearest folder above the workspace that exists."""
    for folder in (home(), *home().parents):
        if folder.is_dir():
            return str(folder)
    raise OutputError(f"The workspace {home()} has no folder: set RHOSCOPE_HOME to one of yours.")
