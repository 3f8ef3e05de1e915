"""Evaluations as processes of their own, started from a page: they survive the page and the browser.

FOLDER/<name>.json          the result, once it is there
FOLDER/<name>.run/          records, so that the same question goes on where it was
FOLDER/<name>.run/process.json, progress.json, log.txt
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from explain_core.errors import InputError
from explain_core.evaluation.folder import LOCK, PROGRESS, read_json, write_json

State = Literal["running", "done", "stopped"]
PROCESS, TAIL = "process.json", 2000

_children: dict[Path, subprocess.Popen[bytes]] = {}
"""Processes started from here: they count as running before they have taken their folder's lock."""


def results_folder() -> Path:
    """Where evaluations started from the page are kept: RHOSCOPE_RUNS, or a folder in the user's home."""
    return Path(os.environ.get("RHOSCOPE_RUNS") or Path.home() / ".rhoscope" / "runs")


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a folder, by the file that its result is or will be."""

    out: Path

    @property
    def name(self) -> str:
        return self.out.stem

    @property
    def state(self) -> State:
        child = _children.get(self.out)
        if _busy(self._run) or (child is not None and child.poll() is None):
            return "running"
        return "done" if self.out.exists() else "stopped"

    @property
    def progress(self) -> float:
        """0 … 1; pictures of a chunk count when the whole chunk is done."""
        found = read_json(self._run / PROGRESS) or {}
        return float(found.get("share", 0.0))

    @property
    def log(self) -> str:
        """The end of what the process said."""
        path = self._run / "log.txt"
        return path.read_text(encoding="utf-8", errors="replace")[-TAIL:] if path.exists() else ""

    def start(self, arguments: Sequence[str]) -> None:
        """Runs `rhoscope evaluate` with these arguments; raises InputError where it is running already."""
        if self.state == "running":
            raise InputError(f"{self.name} is running already: wait, cancel it, or choose another name.")
        self._run.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "cli", "evaluate", *arguments, "--out", str(self.out)]
        with (self._run / "log.txt").open("wb") as log:
            child = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        _children[self.out] = child
        write_json(self._run / PROCESS, {"pid": child.pid, "arguments": list(arguments)})

    def resume(self) -> None:
        """Starts it again with the arguments it had; what is recorded is not asked again."""
        found = read_json(self._run / PROCESS)
        if found is None:
            raise InputError(f"{self.name} was not started from this page: start it again where it was.")
        self.start(found["arguments"])

    def cancel(self) -> None:
        """Stops the process; its records stay."""
        found = read_json(self._run / PROCESS)
        if found and self.state == "running":
            with suppress(ProcessLookupError):
                os.killpg(found["pid"], signal.SIGTERM)

    @property
    def _run(self) -> Path:
        return self.out.with_suffix(".run")


def evaluations(folder: Path) -> list[Evaluation]:
    """All of a folder, by name."""
    outs = {path.with_suffix(".json") for path in folder.glob("*.run")} | set(folder.glob("*.json"))
    return [Evaluation(out) for out in sorted(outs)]


def _busy(run: Path) -> bool:
    """Whether a process is at work in this run's folder, whoever started it."""
    if not run.is_dir():
        return False
    try:
        with FileLock(run / LOCK, timeout=0):
            return False
    except Timeout:
        return True
