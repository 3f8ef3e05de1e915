"""The engine's loop without its thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from explain_core.engine.batches import Row
from explain_core.engine.schedule import Scheduler
from explain_core.records import Answer


def solve(
    rows: Sequence[Row], scheduler: Scheduler, progress: Callable[[float], None] = lambda _: None
) -> list[Answer]:
    """The answers of rows in their order, computed in the calling thread; raises the first row's error."""
    for row in rows:
        scheduler.add(row)
    while (run := scheduler.pick()) is not None:
        run.step()
        for row in scheduler.settle(run):
            if row.error:
                raise row.error
        progress(sum(1.0 if row.over else row.run.progress if row.run else 0.0 for row in rows) / len(rows))
    return [row.answer for row in rows if row.answer]
