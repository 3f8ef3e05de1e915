"""Films from DICOM files, decoded in a separate process with bounded memory and time."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Self

import numpy as np

from explain_core import errors
from explain_core.dicom.child import READING, READY
from explain_core.dicom.film import Facts, Film, facts_from
from explain_core.dicom.limits import MAX_PIXELS
from explain_core.errors import DamagedFilm, FilmError, FilmTooSlow

MEMORY = 1 << 30
SECONDS, PER_MEGAPIXEL = 4.0, 3.0
"""How long a film may take, in seconds."""
_ROOT = Path(__file__).resolve().parents[2]
_CHUNK = 1 << 20
_TOO_SLOW = "The film takes far longer to decode than its size warrants: it is damaged; copy it again."


@dataclass(frozen=True, eq=False)
class Cleaned:
    """A film rid of its patient.

    `file` the bytes of a new DICOM file, whose pixel data begin at `offset` and reach to the end; `identity`
    pseudonym, remapped identifiers and shifted date; `removed` how often each tag was taken out or replaced.
    """

    film: Film
    file: bytes
    offset: int
    identity: Mapping[str, str]
    removed: Mapping[str, int]


class Decoder:
    """A process that decodes films, one at a time; it is started when it is needed, and again after it has died.

    `memory` bounds its address space in bytes; a film may take `seconds` and `per_megapixel` for each of its
    megapixels.  May be shared by threads.
    """

    def __init__(self, *, memory: int = MEMORY, seconds: float = SECONDS, per_megapixel: float = PER_MEGAPIXEL) -> None:
        self.memory, self.seconds, self.per_megapixel = memory, seconds, per_megapixel
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def film(self, path: Path) -> Film:
        """Raises FilmError, of the kind that says what is wrong."""
        told, blob = self._ask({"path": os.fspath(path.absolute())})
        return _film(told, blob, 0)

    def header(self, path: Path) -> tuple[tuple[int, int], Facts]:
        """Height and width, and what the header tells; nothing is decoded.  Raises FilmError."""
        told, _ = self._ask({"path": os.fspath(path.absolute()), "pixels": False})
        return (int(told["shape"][0]), int(told["shape"][1])), facts_from(told["facts"])

    def cleaned(self, path: Path, key: bytes) -> Cleaned:
        """The film, and a new file of it without its patient; `key` by `secret.workspace_key`.  Raises FilmError."""
        told, blob = self._ask({"path": os.fspath(path.absolute()), "key": key.hex()})
        return Cleaned(_film(told, blob, told["offset"]), blob, told["offset"], told["identity"], told["removed"])

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """Ends the process; the next question starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _ask(self, question: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self.close()
                self._process = self._started()
            try:
                told, blob = _exchange(self._process, question, monotonic() + self._patience)
            except (EOFError, BrokenPipeError):
                raise self._died(self._process) from None
            except TimeoutError:
                self.close()
                raise FilmTooSlow(_TOO_SLOW) from None
            except BaseException:  # interrupted in the middle of an answer
                self.close()
                raise
        if "error" in told:
            kind = getattr(errors, told["error"], FilmError)
            raise kind(told["text"])
        return told, blob

    @property
    def _patience(self) -> float:
        """More than the process allows itself, for the case that even its alarm fails."""
        return 2 * READING + self.seconds + self.per_megapixel * MAX_PIXELS / 1e6

    def _died(self, process: subprocess.Popen[bytes]) -> FilmError:
        self.close()
        if process.returncode == -signal.SIGALRM:
            return FilmTooSlow(_TOO_SLOW)
        return DamagedFilm("The file makes the decoder fail: it is damaged; copy it again.")

    def _started(self) -> subprocess.Popen[bytes]:
        one = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}  # threads reserve address space
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "explain_core.dicom.child",
                *map(str, (self.memory, self.seconds, self.per_megapixel)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the asker
            env={"PATH": os.defpath, "PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1", **one},
        )
        assert process.stdout is not None
        if process.stdout.readline() != READY:
            process.kill()
            process.communicate()
            raise FilmError(
                f"The decoder does not start within {self.memory >> 20} MiB of memory: allow more, or install again."
            )
        return process


_shared: dict[int, Decoder] = {}


def shared_decoder() -> Decoder:
    """One decoder for this process; a forked one gets its own."""
    mine = os.getpid()
    if mine not in _shared:
        _shared[mine] = Decoder()
        atexit.register(_shared[mine].close)
    return _shared[mine]


def _film(told: Mapping[str, Any], blob: bytes, offset: int) -> Film:
    rows, columns = told["shape"]
    stored = np.frombuffer(blob, told["dtype"], count=rows * columns, offset=offset).reshape(rows, columns)
    return Film(stored, facts_from(told["facts"]), told["sha256"])


def _exchange(
    process: subprocess.Popen[bytes], question: dict[str, Any], deadline: float
) -> tuple[dict[str, Any], bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(question).encode() + b"\n")
    process.stdin.flush()
    source, got = process.stdout.fileno(), bytearray()
    while b"\n" not in got:
        got += _some(source, deadline)
    line, _, rest = got.partition(b"\n")
    told: dict[str, Any] = json.loads(line)
    blob = bytearray(rest)
    while len(blob) < told["bytes"]:
        blob += _some(source, deadline)
    return told, bytes(blob)


def _some(source: int, deadline: float) -> bytes:
    """What has arrived; waits until then, or raises TimeoutError, or EOFError where nothing will come."""
    if not select.select([source], [], [], max(0.0, deadline - monotonic()))[0]:
        raise TimeoutError
    data = os.read(source, _CHUNK)
    if not data:
        raise EOFError
    return data
