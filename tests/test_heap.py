"""Memory that a pass has freed is there for the next: counted in pages that the system had to clear."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

PASSES = """
import resource, threading
import torch
from explain_core.heap import keep_pages

assert keep_pages()

def passes():
    for _ in range(4):
        torch.ones(16, 2**20)  # 64 MiB

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

torch.set_num_threads(1)
for run in (passes, lambda: [thread.start() or thread.join() for thread in [threading.Thread(target=passes)]]):
    for _ in range(5):
        run()
    before = faults()
    run()
    print(faults() - before)
"""


def pages_cleared() -> list[int]:
    """Pages cleared for four tensors that take 65,536 together: in the main thread, and in another."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    told = subprocess.run([sys.executable, "-c", PASSES], env=clean, capture_output=True, text=True, check=True).stdout
    return [int(line) for line in told.split()]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc has these settings")
def test_pages_are_cleared_once() -> None:
    assert max(pages_cleared()) < 6_000


def test_somebodys_own_settings_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    from explain_core import heap

    monkeypatch.setattr(heap.ctypes, "CDLL", None)  # not reached
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    assert not heap.keep_pages()
