"""Evaluations that were made without a row of their own become runs: the row points at the folder as it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from explain_core.evaluation.folder import LOCK, read_json
from explain_core.runs.store import Store

KIND, PROCESS = "evaluate", "process.json"
_MANY = {"--model": "models", "--method": "methods", "--set": "settings"}
_ONE = {"--data": "data", "--n": "n", "--seed": "seed", "--rho": "rho"}


def adopt(store: Store, results: Path) -> None:
    """Gives every folder NAME.run of `results` its row; raises StoreError, and OutputError for what cannot be read.

    It is done where NAME.json is there, and interrupted otherwise; one that a shell is at work in is
    left alone until that has ended.
    """
    known = {run.out: run for run in reversed(store.find(kind=KIND))}
    for folder in _folders(results):
        out = folder.with_suffix(".json")
        run, state = known.get(str(folder)), "done" if out.exists() else "interrupted"
        if run is not None and (run.attempt or run.under_way or run.state == state):
            continue
        if not _busy(folder):
            ended = datetime.fromtimestamp((out if out.exists() else folder).stat().st_mtime, UTC)
            store.adopt(KIND, folder, "done" if out.exists() else "interrupted", spec=_spec(folder), ended=ended)


def _folders(results: Path) -> Iterator[Path]:
    return (folder for folder in sorted(results.absolute().glob("*.run")) if (folder / "run.json").exists())


def _busy(folder: Path) -> bool:
    if not (folder / LOCK).exists():
        return False
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True


def _spec(folder: Path) -> dict[str, Any]:
    """What it was asked, where the page of an earlier version started it; empty where a shell did."""
    arguments = (read_json(folder / PROCESS) or {}).get("arguments")
    if not arguments:
        return {}
    name, *options = arguments
    spec: dict[str, Any] = {"name": name, "models": [], "methods": [], "settings": [], "rho": None}
    for option, value in zip(options[::2], options[1::2], strict=True):
        if option in _MANY:
            spec[_MANY[option]].append(value)
        else:
            spec[_ONE[option]] = int(value) if option in ("--n", "--seed") else value
    return spec
