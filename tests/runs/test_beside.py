"""The worker beside the app: one in a workspace, and it outlives whoever started it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from annotations.database import open_database
from annotations.runs import RunStore
from explain_core.errors import OutputError
from explain_core.runs.beside import LOG, alone, at_work, start_worker

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120
APP = """
from pathlib import Path
from annotations.database import open_database
from annotations.runs import RunStore
from annotations.workspace import home, runs_folder
from explain_core.runs.beside import at_work, start_worker
spec = {"name": "vii", "data": "phantom:2,0", "models": ["demo"], "methods": [], "settings": [], "rho": None,
        "n": None, "seed": 0}
for name in ("first", "second"):
    RunStore(open_database()).submit("evaluate", spec, title=name, out=runs_folder() / f"{name}.run", wants="cpu")
    start_worker(home())
assert at_work(home())
"""


def test_it_goes_on_when_the_app_has_ended(tmp_path: Path) -> None:
    environment = {**os.environ, "RHOSCOPE_HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    app = subprocess.run(
        [sys.executable, "-c", APP], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (app.returncode, app.stderr) == (0, "")
    database = open_database(f"sqlite:///{tmp_path / 'rhoscope.db'}")
    store, end = RunStore(database), time.monotonic() + PATIENCE_S
    while any(run.under_way for run in store.find()) or at_work(tmp_path):
        assert time.monotonic() < end, (tmp_path / LOG).read_text()
        time.sleep(0.05)
    found = store.find()
    assert {(run.state, run.attempt) for run in found} == {("done", 1)}
    assert len({run.worker for run in found}) == 1
    # The second worker leaves, or, where the first has ended while it waited, finds nothing to do.
    assert (tmp_path / LOG).read_text() in ("2 runs ended.\n", "2 runs ended.\n0 runs ended.\n")
    database.engine.dispose()


def test_one_worker_holds_a_workspace(tmp_path: Path) -> None:
    with alone(tmp_path / "home", patience=0) as first:
        assert first
        assert at_work(tmp_path / "home")
    assert not at_work(tmp_path / "home")


def test_a_workspace_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="set RHOSCOPE_HOME"):
        start_worker(tmp_path / "file" / "home")
    with pytest.raises(OutputError, match="set RHOSCOPE_HOME"), alone(tmp_path / "file" / "home"):
        pass
