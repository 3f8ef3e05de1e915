"""Folders that appear under their name only when they are whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from explain_core.errors import OutputError


@contextmanager
def unfinished(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to fill and rename; what is left of it goes.  Raises OutputError."""
    made = beside(folder)
    try:
        made.mkdir(parents=True)
        yield made
    except OSError as error:
        raise OutputError(f"Cannot write {folder}: {error.strerror}; choose a folder that you may write to.") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def beside(folder: Path) -> Path:
    """A new name in the same folder, which nobody takes for a finished one."""
    return folder.absolute().with_name(f".{folder.name}.{uuid4().hex[:8]}.part")
