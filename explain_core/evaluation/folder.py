"""A run's folder: what was asked, and one record per picture and arm, each written whole or not at all.

    RUN/run.json                        the question; a run goes on only where it is the same
    RUN/chunks/<model, split, size>/<number>.json     the cases of a chunk, and what was left out of it
    RUN/records/<arm>/<case>.json       one reading
    RUN/fits/<arm>.json                 what a metric chose on the tuning split

A chunk is always asked as a whole, so that a run that was killed and resumed has the same batches,
and with them the same last bits, as one that never stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from explain_core.errors import OutputError
from explain_core.export import plain, write
from explain_core.params import fingerprint

PROGRESS, LOCK = "progress.json", "lock"


class RunFolder:
    """A run's folder, held by one process at a time.

    Raises OutputError where the folder belongs to another run, another process is at work in it, or
    it cannot be read or written.
    """

    def __init__(self, path: Path, question: Mapping[str, Any]) -> None:
        self.path = path
        self._lock = _hold(path)
        asked = path / "run.json"
        known = read_json(asked)
        if known is None:
            write_json(asked, question)
        elif fingerprint(known) != fingerprint(plain(question)):
            differing = ", ".join(name for name in question if known.get(name) != plain(question[name]))
            raise OutputError(
                f"{path} holds another run (its {differing or 'question'} differs): choose another --out, or remove it."
            )

    def close(self) -> None:
        """Lets others at it."""
        self._lock.release()

    def chunk(self, place: str, number: int) -> dict[str, Any] | None:
        """The chunk's `cases` and what was `left_out`, or None before it was read."""
        return read_json(self._chunk(place, number))

    def put_chunk(self, place: str, number: int, cases: Sequence[str], left_out: Sequence[str]) -> None:
        write_json(self._chunk(place, number), {"cases": list(cases), "left_out": list(left_out)})

    def record(self, arm: str, case: str) -> dict[str, Any] | None:
        return read_json(self._record(arm, case))

    def put_record(self, arm: str, case: str, values: Mapping[str, Any]) -> None:
        write_json(self._record(arm, case), values)

    def complete(self, arm: str, cases: Sequence[str]) -> bool:
        """Whether every one of these cases has its record."""
        return all(self._record(arm, case).exists() for case in cases)

    def fit(self, arm: str) -> dict[str, Any] | None:
        """The fitted parameters of an arm, or None before they are chosen."""
        return read_json(self.path / "fits" / f"{arm}.json")

    def put_fit(self, arm: str, params: Mapping[str, Any]) -> None:
        write_json(self.path / "fits" / f"{arm}.json", params)

    def put_progress(self, share: float) -> None:
        """For whoever watches from outside."""
        write_json(self.path / PROGRESS, {"share": share})

    def _chunk(self, place: str, number: int) -> Path:
        return self.path / "chunks" / place / f"{number:06}.json"

    def _record(self, arm: str, case: str) -> Path:
        return self.path / "records" / arm / f"{fingerprint(case)[:20]}.json"


def _hold(path: Path) -> BaseFileLock:
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(f"Another process is at work in {path}: wait for it, or choose another --out.") from None
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror}; choose another --out.") from None
    return lock


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object, or None where there is no file; raises OutputError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be read ({type(error).__name__}): remove it, and run again.") from None
    if not isinstance(found, dict):
        raise OutputError(f"{path} is no record: remove it, and run again.")
    return found


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    write(path, (json.dumps(plain(values), allow_nan=False) + "\n").encode())
