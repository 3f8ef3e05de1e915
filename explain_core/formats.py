"""Files of our own: one table of values in JSON, which says of which format it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from explain_core.errors import InputError

MOST_BYTES = 1 << 30


def read_values(
    path: Path, version: int, give: str, fault: Callable[[Path, str], InputError], most_bytes: int = MOST_BYTES
) -> tuple[dict[str, Any], str]:
    """The values of a file and its SHA-256; what is in them is for the caller to check.

    `give` ends the sentence about a file that cannot be read; `fault` makes the error of one that is not ours.
    Raises InputError.
    """
    try:
        if path.stat().st_size > most_bytes:
            raise fault(path, f"it has more than {most_bytes >> 20} MiB")
        content = path.read_bytes()
        values = json.loads(content)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give {give}.") from None
    except (ValueError, RecursionError):
        raise fault(path, "it is no JSON") from None
    if not isinstance(values, dict) or values.get("format") != version:
        raise fault(path, f"its format is not {version}")
    return values, hashlib.sha256(content).hexdigest()
