"""What the decoder's process says about a file: what it holds, or what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from explain_core.dicom.deidentify import deidentified
from explain_core.dicom.facts import facts_of
from explain_core.dicom.film import facts_record
from explain_core.dicom.header import layout, opened
from explain_core.dicom.limits import MAX_BYTES
from explain_core.dicom.pixels import stored_values
from explain_core.errors import DamagedFilm, FilmError, FilmTooLarge


def answer(asked: dict[str, Any], allow: Callable[[float], None]) -> tuple[dict[str, Any], bytes]:
    """What to say, and the bytes that follow; an error is its type and its text.

    `allow` is told how many megapixels there are, as soon as that is known: none for the header.

    `asked`: `path`; `pixels` False for the header alone; `key` in hexadecimal for a new file without the patient.
    """
    try:
        return _found(asked, allow)
    except FilmError as error:
        told = error
    except MemoryError:
        told = FilmTooLarge("The film needs more memory than the decoder may have: export it smaller.")
    except RecursionError:
        told = DamagedFilm("The header is damaged: its sequences lie too deep in each other; copy the file again.")
    except Exception as error:  # a header can be wrong in ways that nobody foresaw
        told = DamagedFilm(f"The file is damaged ({type(error).__name__}): copy it again.")
    return {"error": type(told).__name__, "text": str(told)}, b""


def _found(asked: dict[str, Any], allow: Callable[[float], None]) -> tuple[dict[str, Any], bytes]:
    data = _read(Path(asked["path"]))
    allow(0)
    found = opened(data)
    made = layout(found)
    allow(made.rows * made.columns / 1e6)
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


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FilmError(f"The film cannot be read ({error.strerror}): check that the file is there.") from None
    if len(data) > MAX_BYTES:
        raise FilmTooLarge(f"The file is larger than {MAX_BYTES >> 20} MiB: export the film compressed, or smaller.")
    return data
