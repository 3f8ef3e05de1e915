"""The decoder's own process: one question a line on stdin, an answer in a line and bytes on stdout.

It never loads torch, may use so much memory and no more, and dies rather than hang.  What a hostile file does to a
codec, it does here; what comes out is JSON and numbers, which cannot be made to run.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import resource
import signal
import sys
import warnings
from typing import Any, BinaryIO

GRACE = 5
"""Seconds beyond the asker's patience; after them this process has lost its asker, and ends."""


def serve(source: BinaryIO, sink: BinaryIO, seconds: float) -> None:
    """Answers until there are no more questions."""
    for line in source:
        signal.alarm(int(seconds) + GRACE)
        told, blob = answer(json.loads(line))
        sink.write(json.dumps({**told, "bytes": len(blob)}).encode() + b"\n")
        sink.write(blob)
        sink.flush()
        signal.alarm(0)


def answer(asked: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """What to say, and the bytes that follow; an error is its type and its text."""
    from explain_core.errors import FilmError, FilmTooLarge

    try:
        return _answer(asked)
    except FilmError as error:
        return {"error": type(error).__name__, "text": str(error)}, b""
    except MemoryError:
        text = "The film needs more memory than the decoder may have: export it smaller, or raise the limit."
        return {"error": FilmTooLarge.__name__, "text": text}, b""
    except RecursionError:
        text = "The header is damaged: its sequences lie too deep in each other; copy the file again."
        return {"error": "DamagedFilm", "text": text}, b""
    except Exception as error:  # a header can be wrong in ways that nobody foresaw
        text = f"The file is damaged ({type(error).__name__}): copy it again."
        return {"error": "DamagedFilm", "text": text}, b""


def _answer(asked: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    from explain_core.dicom.deidentify import deidentified
    from explain_core.dicom.facts import facts_of
    from explain_core.dicom.film import facts_record
    from explain_core.dicom.header import layout, opened
    from explain_core.dicom.pixels import stored_values

    data = _read(asked["path"])
    found = opened(data)
    made = layout(found)
    told = {
        "facts": facts_record(facts_of(found, made)),
        "shape": [made.rows, made.columns],
        "dtype": made.dtype,
        "sha256": hashlib.sha256(data).hexdigest(),
        "offset": 0,
    }
    if not asked.get("pixels", True):
        return told, b""
    stored = stored_values(found, made)
    if "key" not in asked:
        return told, stored.tobytes()
    rid = deidentified(found, made, bytes.fromhex(asked["key"]))
    return {**told, "removed": rid.removed, "identity": rid.identity, "offset": len(rid.header)}, rid.file(stored)


def _read(path: str) -> bytes:
    from explain_core.dicom.header import MAX_BYTES
    from explain_core.errors import FilmError, FilmTooLarge

    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a name that is no valid text arrives as it was
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FilmError(f"The film cannot be read ({error.strerror}): check that the file is there.") from None
    if len(data) > MAX_BYTES:
        raise FilmTooLarge(f"The file is larger than {MAX_BYTES >> 20} MiB: export the film compressed, or smaller.")
    return data


def main() -> None:
    memory, seconds = int(sys.argv[1]), float(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold patients' data
    warnings.simplefilter("ignore")
    logging.disable()
    from pydicom import config

    config.settings.reading_validation_mode = config.IGNORE
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a codec that prints does not garble the answers
    serve(sys.stdin.buffer, sink, seconds)


if __name__ == "__main__":
    main()
