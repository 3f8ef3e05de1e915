"""One worker beside the app: a process of its own that outlives it, and ends when nothing is left to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from explain_core.errors import OutputError

LOCK, LOG = "worker.lock", "worker.log"
PATIENCE_S = 10
"""A worker about to end has let go of its lock by then."""

_started: list[subprocess.Popen[bytes]] = []


def start_worker(home: Path, environment: Mapping[str, str] | None = None) -> None:
    """Starts a worker for this workspace; it leaves at once where one is at work.  Raises OutputError."""
    _started[:] = [process for process in _started if process.poll() is None]
    command = [sys.executable, "-m", "cli", "worker", "--alone", "--until-idle"]
    try:
        home.mkdir(parents=True, exist_ok=True)
        with (home / LOG).open("ab") as log:
            _started.append(
                subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                    env={**os.environ, **(environment or {})},
                )
            )  # fmt: skip
    except OSError as error:
        raise OutputError(f"Cannot start a worker in {home}: {error.strerror}; set RHOSCOPE_HOME.") from None


def at_work(home: Path) -> bool:
    """Whether a worker of this workspace is there."""
    if any(process.poll() is None for process in _started):
        return True
    with alone(home, patience=0) as free:
        return not free


@contextmanager
def alone(home: Path, *, patience: float = PATIENCE_S) -> Iterator[bool]:
    """Holds the workspace's lock; gives False where another worker keeps it for `patience` seconds."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(home / LOCK)
        lock.acquire(timeout=patience)
    except Timeout:
        yield False
        return
    except OSError as error:
        raise OutputError(f"Cannot use the workspace {home}: {error.strerror}; set RHOSCOPE_HOME.") from None
    try:
        yield True
    finally:
        lock.release()
