"""The stopwatch.  Times of different moments cannot be compared, so whatever is compared takes turns in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median, quantiles

import torch

from explain_core.errors import InputError

ROUNDS = 5
LONG, MANY = 2.0, 50
"""Quick work takes more turns than were asked for: until it has taken LONG seconds, MANY at most."""

Work = Callable[[], object]


def check_rounds(rounds: int) -> None:
    """Raises InputError below ROUNDS."""
    if rounds < ROUNDS:
        raise InputError(f"{rounds} rounds: a median needs at least {ROUNDS}.")


def seconds(work: Work, device: torch.device) -> float:
    """How long a piece of work takes, with all that it leaves to an accelerator."""
    wait(device)
    start = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - start


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def enough(rounds: int, one: float) -> int:
    """How many rounds of `one` second are taken where `rounds` were asked for.

    >>> enough(5, 10.0), enough(5, 0.1), enough(5, 0.001), enough(80, 0.001)
    (5, 20, 50, 80)
    """
    return max(rounds, min(MANY, int(LONG / max(one, 1e-9))))


def middle(values: list[float]) -> tuple[float, float, float]:
    """Median, and the quartiles around it.

    >>> middle([3.0, 1.0, 2.0, 5.0, 4.0])
    (3.0, 2.0, 4.0)
    """
    low, _, high = quantiles(values, n=4, method="inclusive")
    return median(values), low, high


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """So many threads on the processor, for as long as it lasts."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
