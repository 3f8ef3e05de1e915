"""Kinds of run that need no torch: each writes a line into a ledger, and waits where it is told to."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explain_core.errors import Cancelled, InputError
from explain_core.runs.kinds import Kind, Report, by_name


def note(spec: Mapping[str, Any], text: str) -> None:
    """One line of the ledger, whole also where several processes write."""
    ledger = os.open(spec["ledger"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(ledger, f"{text}\n".encode())
    os.close(ledger)


def short(spec: Mapping[str, Any], folder: Path, report: Report) -> None:
    note(spec, str(spec["number"]))


def gated(spec: Mapping[str, Any], folder: Path, report: Report) -> None:
    """Goes on when its gate is there; asked to stop, it says goodbye first."""
    note(spec, "begun")
    while not Path(spec["gate"]).exists():
        try:
            report.progress(0.5, "at the gate")
        except Cancelled:
            note(spec, "goodbye")
            raise
        time.sleep(0.01)
    report.metrics(1, {"loss": 0.5})
    note(spec, "ended")


def stubborn(spec: Mapping[str, Any], folder: Path, report: Report) -> None:
    """Never looks up, but for its gate."""
    note(spec, "begun")
    while not Path(spec["gate"]).exists():
        time.sleep(0.01)


def faulty(spec: Mapping[str, Any], folder: Path, report: Report) -> None:
    print("working with what was given")
    report.metrics(1, {"loss": 0.5})
    match spec["fault"]:
        case "user":
            raise InputError(f"postgresql://me:secret@host/name in\n{Path.home()}: give another.")
        case "ours":
            raise ValueError("Doe^Jane, born 1950")
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "silent":
            os._exit(0)
        case "exit":
            sys.exit(0)
        case "cancelled":
            raise Cancelled("nobody asked for that")


def torchless(spec: Mapping[str, Any], folder: Path, report: Report) -> None:
    note(spec, f"{'torch' in sys.modules} {report.device} {os.getpid() == os.getsid(0)}")


KINDS = by_name(*(Kind(name, f"{__name__}:{name}") for name in ("short", "gated", "stubborn", "faulty", "torchless")))
