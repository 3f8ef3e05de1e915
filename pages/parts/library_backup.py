"""The workspace in one file, and back into an empty one."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from annotations.backup import backups_folder, write_backup
from annotations.restore import check_empty, restore
from explain_core.errors import InputError, RhoscopeError
from explain_core.library.shown import size_text
from pages.parts.library_rows import done, moving

LARGEST_MB = 2000


def show() -> None:
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        _backup()
    with right, st.container(border=True):
        _restore()


def _backup() -> None:
    st.markdown("**Back up**")
    st.caption("Models, data sets, recipes, runs and their table, into the folder “backups” of the workspace.")
    checkpoints = st.checkbox("Also the checkpoints of runs", key="library-checkpoints")
    if st.button("Back up now", icon=":material/archive:", type="primary"):
        out = backups_folder() / f"rhoscope-{datetime.now(UTC):%Y-%m-%d-%H%M%S}.zip"
        try:
            with moving("Writing …") as move:
                made = write_backup(out, checkpoints=checkpoints, on_progress=move)
        except RhoscopeError as error:
            st.error(str(error))
            return
        left_out = f" Left out: {', '.join(made.notes)}." if made.notes else ""
        done(f"{made.files} files, {size_text(made.bytes)}, in `{out.name}`.{left_out}")
    _offer(sorted(backups_folder().glob("*.zip"), reverse=True))


def _offer(found: list[Path]) -> None:
    if not found:
        return
    chosen = st.selectbox("Backups", found, format_func=lambda path: path.name)
    st.caption(f"{size_text(chosen.stat().st_size)}. It is not encrypted.")
    st.download_button(
        "Download", chosen.read_bytes, chosen.name, "application/zip", icon=":material/download:", on_click="ignore"
    )


def _restore() -> None:
    st.markdown("**Restore**")
    try:
        check_empty()
    except InputError as error:
        st.caption("Into an empty workspace only.")
        st.info(str(error), icon=":material/info:")
        return
    st.caption("Into this workspace, which is empty.")
    upload = st.file_uploader("A backup", ["zip"], key="library-backup", max_upload_size=LARGEST_MB)
    if st.button("Restore", icon=":material/unarchive:", disabled=upload is None) and upload is not None:
        try:
            with tempfile.TemporaryDirectory() as folder, moving("Unpacking …") as move:
                file = Path(folder) / "backup.zip"
                file.write_bytes(upload.getbuffer())
                contents = restore(file, on_progress=move)
        except RhoscopeError as error:
            st.error(str(error))
            return
        done(f"{len(contents.files)} files are restored, of the backup of {contents.created}.")
