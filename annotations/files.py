"""Files and folders that appear under their name when they are whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from explain_core.errors import OutputError


def write(path: Path, content: bytes) -> None:
    """On the disk, under its name, when this returns; raises OutputError."""
    part = _part(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise _fault(path, error) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def unfinished(folder: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name at the end; whatever fails leaves nothing.  Raises OutputError."""
    part = _part(folder)
    try:
        part.mkdir(parents=True)
        yield part
        part.rename(folder)
    except OSError as error:
        raise _fault(folder, error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _part(path: Path) -> Path:
    return path.parent / f".{path.name}.{uuid4().hex[:8]}.part"


def _fault(path: Path, error: OSError) -> OutputError:
    return OutputError(f"Cannot write {path}: {error.strerror}; give a place that you may write to.")
