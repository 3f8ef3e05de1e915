"""Texts of a run that may be shown: no passwords, no home folders, nothing from inside the data."""

from __future__ import annotations

import re
from pathlib import Path
from traceback import extract_tb

from explain_core.errors import RhoscopeError

PASSWORD = re.compile(r"(://[^\s/:@]*):[^\s/@]+@")
TAIL = 4000


def scrub(text: str) -> str:
    """The text with passwords of addresses and the home folder taken out.

    >>> scrub("postgresql://me:secret@host/db")
    'postgresql://me:***@host/db'
    """
    return PASSWORD.sub(r"\1:***@", text).replace(str(Path.home()), "~")


def told(error: BaseException) -> str:
    """An error in one line.  One that nobody foresaw is named by its place: its text may quote the data."""
    if isinstance(error, RhoscopeError):
        return scrub(" ".join(str(error).split()))
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}; mend that, and retry."
    if isinstance(error, MemoryError):
        return "Out of memory: ask for less at once, and retry."
    frames = extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"Unexpected {type(error).__name__}{place}: its log shows more."


def tail(log: Path, most: int = TAIL) -> str:
    """The end of what a run said, at most so many characters; empty before it said anything."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 4 * most))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return scrub("".join(letter for letter in text if letter.isprintable() or letter in "\n\t"))[-most:]
