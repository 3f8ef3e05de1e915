"""Driving a generator to its end, as the engine does in slices."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from explain_core.types import Drop, Step

Result = TypeVar("Result")


def walk(
    working: Generator[Step, Drop | None, Result], drop: Callable[[Step], Drop | None] = lambda _: None
) -> tuple[Result, list[Step]]:
    """The result, and every step on the way; `drop` says which rows leave after a step."""
    steps: list[Step] = []
    answer: Drop | None = None
    while True:
        try:
            steps.append(working.send(answer))
        except StopIteration as end:
            return end.value, steps
        answer = drop(steps[-1])
