"""`rhoscope runs` and `rhoscope worker`: a real run of an evaluation, watched, stopped and tried again from a shell."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from annotations.workspace import runs_folder
from cli import RUNS, main, open_runs
from explain_core.evaluation.result import read_results
from explain_core.records import Run

ROOT = Path(__file__).resolve().parents[2]
SPEC = {"name": "vii", "data": "phantom:2,0", "models": ["demo"], "methods": [], "settings": [], "rho": None, "n": None,
        "seed": 0}  # fmt: skip


@pytest.fixture
def submitted() -> Callable[..., Run]:
    def submit(title: str = "vii-demo", **changed: object) -> Run:
        return open_runs().submit("evaluate", {**SPEC, **changed}, title=title, out=runs_folder() / f"{title}.run")

    return submit


@pytest.fixture(autouse=True)
def workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path))
    for name in ("RHOSCOPE_DB", "RHOSCOPE_RUNS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_every_kind_names_a_function() -> None:
    assert all(callable(kind.function()) and kind.name == name for name, kind in RUNS.items())


def test_an_evaluation_is_carried_out(submitted: Callable[..., Run], capsys: pytest.CaptureFixture[str]) -> None:
    run = submitted()
    command = [sys.executable, "-m", "cli", "worker", "--device", "cpu", "--until-idle"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (told.stdout, told.stderr) == ("1 run ended.\n", "")
    assert read_results(run.folder.with_suffix(".json"))[0]["n"] == 2
    assert json.loads((run.folder / "progress.json").read_text()) == {"share": 1.0}
    (line,) = json.loads(said(capsys, "runs", "list", "--json"))
    assert (line["id"], line["state"], line["progress"], line["spec"]) == (run.id, "done", 1.0, SPEC)
    assert said(capsys, "runs", "list").split() == [run.id, "done", "100%", "evaluate", "vii-demo"]
    assert said(capsys, "runs", "logs", run.id[:5]).startswith("rhoscope: evaluate, attempt 1 on cpu")


def timeless(value: object) -> object:
    """A result without how long it took."""
    if isinstance(value, dict):
        return {name: timeless(part) for name, part in value.items() if name != "seconds"}
    return [timeless(part) for part in value] if isinstance(value, list) else value


def test_runs_that_share_a_machine_find_what_one_alone_finds(submitted: Callable[..., Run]) -> None:
    """Two at once, and then one by itself: the same figures to the last bit."""
    spec = {"name": "deletion", "methods": ["gradcam", "ape"], "settings": ["ape.steps=5"], "rho": 0.05}
    command = [sys.executable, "-m", "cli", "worker", "--until-idle", "--device", "cpu", "--device", "cpu"]
    for titles in (("one", "two"), ("alone",)):
        runs = [submitted(title, **spec) for title in titles]
        subprocess.run([*command, "--at-once", str(len(runs))], cwd=ROOT, check=True)
    one, two, alone = (timeless(read_results(runs_folder() / f"{title}.json")) for title in ("one", "two", "alone"))
    assert one == two == alone
    assert one


def test_a_fault_is_told_and_mended(submitted: Callable[..., Run], capsys: pytest.CaptureFixture[str]) -> None:
    run = submitted(models=["nowhere/net"])
    command = [sys.executable, "-m", "cli", "worker", "--device", "cpu", "--once"]
    subprocess.run(command, cwd=ROOT, check=True)
    found = json.loads(said(capsys, "runs", "show", run.id, "--json"))
    assert found["state"] == "failed"
    assert "No model 'nowhere'" in found["error"]
    assert "Traceback" in said(capsys, "runs", "logs", run.id)
    assert run.id in said(capsys, "runs", "retry", run.id)
    assert "waiting" in said(capsys, "runs", "show", run.id)
    assert "cancelled" in said(capsys, "runs", "cancel", run.id)
    assert said(capsys, "runs", "list", "--state", "waiting") == ""


def test_what_cannot_be_done_is_said(submitted: Callable[..., Run], capsys: pytest.CaptureFixture[str]) -> None:
    run = submitted()
    for arguments, told in {
        ("runs", "show", "0"): "No run '0'",
        ("runs", "retry", run.id): "is waiting",
        ("runs", "list", "--state", "lost"): "No state 'lost'",
        ("worker", "--device", "tpu"): "Device 'tpu'",
        ("worker", "--at-once", "0"): "at-once",
    }.items():
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert told in error
        assert error.count("\n") == 1


def test_a_database_that_cannot_be_used_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "letter.db").write_text("no database " * 100)
    monkeypatch.setenv("RHOSCOPE_DB", f"sqlite:///{tmp_path / 'letter.db'}")
    assert main(["runs", "list"]) == 2
    assert "no SQLite database" in capsys.readouterr().err


def test_runs_are_listed_without_torch(submitted: Callable[..., Run]) -> None:
    submitted()
    code = "import cli, sys; cli.main(['runs', 'list', '--json']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True).returncode == 0


def test_an_idle_worker_leaves_at_once_and_without_torch(workspace: Path) -> None:
    code = "import cli, sys; cli.main(['worker', '--alone', '--until-idle']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
