"""What went wrong in a step, as one line that a user can be shown."""

from __future__ import annotations

import re

import torch

_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[\\/][^\s\\/'\",:;)]+)+[\\/]?")
_MEMORY = re.compile(r"out of memory|can't allocate memory", re.IGNORECASE)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device, or the machine, had too little memory for what was asked."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and bool(_MEMORY.search(str(error)))


def one_line(error: BaseException) -> str:
    """Type and first line of an error's text, without the paths in it."""
    first = next(iter(str(error).strip().splitlines()), "")
    text = _PATH.sub("…", first)[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
