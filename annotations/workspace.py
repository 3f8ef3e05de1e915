"""Where things are kept: the workspace is RHOSCOPE_HOME, or `.rhoscope` in the user's home."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The workspace: the database, the worker's lock and log, and the folders of runs."""
    return Path(os.environ.get("RHOSCOPE_HOME") or Path.home() / ".rhoscope").expanduser().absolute()


def runs_folder() -> Path:
    """Where runs started from the page are kept: RHOSCOPE_RUNS, or a folder of the workspace."""
    return Path(os.environ.get("RHOSCOPE_RUNS") or home() / "runs").expanduser().absolute()


def database_url() -> str:
    return os.environ.get("RHOSCOPE_DB") or f"sqlite:///{home() / 'rhoscope.db'}"
