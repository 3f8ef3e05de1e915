"""How a process of ours holds memory: what one pass has let go, the next takes without asking the system for it anew.

A network's pass allocates and frees the same large tensors again and again.  By default glibc hands those above 32 MiB
back at once, and whatever lies at the end of its heap; the system then has to clear each page when it is next touched,
which for a batch of sixteen photographs took up to half of the time.  The peak stays what it is.
"""

from __future__ import annotations

import ctypes
import os

SINGLE, KEPT = 128 * 2**20, 2**30
"""Bytes: larger tensors go back at once, and so does what is free at the end of the heap beyond this."""
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""mallopt's names, from malloc.h."""


def keep_pages() -> bool:
    """For the whole process, before it has threads; whether it could be done.

    Nothing is done where somebody has set malloc's own variables, or where there is no glibc.
    """
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    wanted = {MMAP_THRESHOLD: SINGLE, TRIM_THRESHOLD: KEPT, ARENA_MAX: 1}  # threads' own heaps hold 64 MiB at most
    return all(mallopt(name, value) for name, value in wanted.items())
