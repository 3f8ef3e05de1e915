"""Answers on disk, so that they survive a restart: off unless a folder was asked for, and bounded by bytes.

    DIR/<key>.answer    magic, SHA-256 of the rest, the answer as safetensors

A file is named after a fingerprint, and holds everything of its answer but the picture it was asked about: whoever
asks has that, and the key names it.  What a method made of the picture is in it, so only its owner may read it.  A
file is written under another name and renamed.  One that is damaged, cut off or not the one that was asked for is
removed, and counts as not there: no answer is ever a wrong one.  Several processes may share a folder.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import numpy as safetensors

from explain_core.errors import OutputError, ParamError
from explain_core.params import fingerprint
from explain_core.records import Answer, Floats, Provenance

FORMAT = 1
MAGIC = f"rhoscope answer {FORMAT}\n".encode()
ENDING, UNFINISHED = ".answer", ".part"
HEAD = len(MAGIC) + hashlib.sha256().digest_size

WHERE, BOUND = "RHOSCOPE_CACHE", "RHOSCOPE_CACHE_GIB"
"""The settings: the folder (none: nothing is kept), and how many GiB may lie there."""
DEFAULT_GIB, LEAST_GIB, MOST_GIB = 4.0, 0.01, 65_536

UNSEEN = 16
"""The folder is looked through whenever a process has written this part of the bound, and two such parts are left
free: so the bound is kept by one process and by two."""
FORGOTTEN_S = 600.0
"""What is unfinished for so long was left by a process that was killed."""

log = logging.getLogger("rhoscope")


class Disk:
    """Answers by key in a folder, together at most `limit` bytes; the least recently used go first.

    Every method may be called from any thread.  Raises OutputError where the folder cannot be used; later, what
    cannot be read is not there, and what cannot be written is not kept.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._lock = threading.Lock()
        self._unseen, self._complained = 0, False
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
            self._make_room()
        except OSError as error:
            raise OutputError(f"Cannot keep answers in {folder}: {error.strerror}; set {WHERE} to another.") from None

    @property
    def nbytes(self) -> int:
        """What lies there now."""
        return sum(size for _, size, _ in self._files())

    def get(self, key: str, pixels: NDArray[Any]) -> Answer | None:
        """The answer about these pixels, now the most recently used, or None."""
        place = self._place(key)
        try:
            answer = read(place.read_bytes(), key, pixels)
            if answer is None:
                place.unlink()
            else:
                os.utime(place)
            return answer
        except OSError:
            return None

    def put(self, key: str, answer: Answer) -> None:
        """Keeps the answer, unless it would take a sixteenth of all there is room for."""
        content = write(key, answer)
        if len(content) > self.limit // UNSEEN:
            return
        try:
            with self._lock:
                if self._unseen + len(content) > self.limit // UNSEEN:
                    self._make_room()
                self._unseen += len(content)
            self._write(self._place(key), content)
        except OSError as error:
            if not self._complained:
                log.warning("answers are not kept on disk: %s", error.strerror)
            self._complained = True

    def _place(self, key: str) -> Path:
        return self.folder / f"{key}{ENDING}"

    def _write(self, place: Path, content: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=UNFINISHED)  # readable for its owner only
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).replace(place)
        finally:
            Path(name).unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """When each was last used, its size and place; others may remove it meanwhile."""
        for place in self.folder.iterdir():
            if place.suffix in (ENDING, UNFINISHED):
                with suppress(FileNotFoundError):
                    facts = place.stat()
                    yield facts.st_mtime, facts.st_size, place

    def _make_room(self) -> None:
        found = sorted(self._files())
        forgotten = {place for used, _, place in found if _is_forgotten(place, used)}
        excess = sum(size for _, size, _ in found) - (self.limit - 2 * (self.limit // UNSEEN))
        for _, size, place in found:
            if place in forgotten or (excess > 0 and place.suffix == ENDING):
                place.unlink(missing_ok=True)
                excess -= size
        self._unseen = 0


def asked_disk() -> Disk | None:
    """The folder that is set, or None; raises ParamError and OutputError."""
    folder = os.environ.get(WHERE)
    if not folder:
        return None
    text = os.environ.get(BOUND) or str(DEFAULT_GIB)
    try:
        gib = float(text)
    except ValueError:
        raise ParamError(f"{BOUND} = {text}: a number of GiB is needed, for example 4.") from None
    if not LEAST_GIB <= gib <= MOST_GIB:
        raise ParamError(f"{BOUND} = {text}: {LEAST_GIB} to {MOST_GIB} GiB are possible; 4 is common.")
    return Disk(Path(folder).expanduser(), int(gib * 2**30))


def key_of(job_key: str, device: str, versions: Mapping[str, str]) -> str:
    """What an answer is kept under: numbers depend on the job, on the device, and on the programs that computed."""
    return fingerprint("answer", FORMAT, job_key, device, dict(versions))


def write(key: str, answer: Answer) -> bytes:
    """An answer as a file holds it."""
    arrays = {name: getattr(answer, name) for name in ("saliency", "before", "perturbed", "after", "mask")}
    arrays |= {f"trace/{name}": curve for name, curve in answer.trace.items()}
    facts = {
        "key": key,
        "outcome": answer.outcome,
        "numbers": dict(answer.numbers),
        "provenance": asdict(answer.provenance),
    }
    body = safetensors.save(
        {name: np.ascontiguousarray(array) for name, array in arrays.items() if array is not None},
        {"facts": json.dumps(facts)},
    )
    return MAGIC + hashlib.sha256(body).digest() + body


def read(content: bytes, key: str, pixels: NDArray[Any]) -> Answer | None:
    """The answer, its arrays read-only; None unless the file is whole, of this format and of this key."""
    body = content[HEAD:]
    if content[:HEAD] != MAGIC + hashlib.sha256(body).digest():
        return None
    length = int.from_bytes(body[:8], "little")
    facts = json.loads(json.loads(body[8 : 8 + length])["__metadata__"]["facts"])
    if facts["key"] != key:
        return None
    arrays = safetensors.load(body)
    curves = {name.removeprefix("trace/"): curve for name, curve in arrays.items() if name.startswith("trace/")}
    return Answer(
        input=_read_only(pixels.astype(np.float32, copy=False)),
        saliency=_read_only(arrays["saliency"]),
        before=_read_only(arrays["before"]),
        outcome=facts["outcome"],
        provenance=_provenance(facts["provenance"]),
        perturbed=_maybe(arrays, "perturbed"),
        after=_maybe(arrays, "after"),
        mask=_maybe(arrays, "mask"),
        numbers=facts["numbers"],
        trace={name: _read_only(curve) for name, curve in curves.items()},
    )


def _provenance(facts: Mapping[str, Any]) -> Provenance:
    chunk = tuple(facts["chunk"])
    drops = tuple((step, key) for step, key in facts["drops"])
    return Provenance(**{**facts, "chunk": chunk, "drops": drops})


def _maybe(arrays: Mapping[str, NDArray[Any]], name: str) -> Any:
    return _read_only(arrays[name]) if name in arrays else None


def _read_only(values: NDArray[Any]) -> Floats:
    values.flags.writeable = False
    return values


def _is_forgotten(place: Path, used: float) -> bool:
    return place.suffix == UNFINISHED and used < time.time() - FORGOTTEN_S
