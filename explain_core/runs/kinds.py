"""A kind of long work: its name, and the function that carries it out.

The function is named, not imported, so that whoever lists runs needs nothing that a run needs.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


class Report(Protocol):
    """What a run tells about itself while it is at work."""

    @property
    def device(self) -> str:
        """Where it may compute: `cpu`, `cuda` or `cuda:N`."""

    def progress(self, share: float, note: str = "") -> None:
        """How far it is, 0 … 1, and at what, in one line; raises Cancelled when it is to stop."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """A point of its curves; written in batches."""

    def cancelled(self) -> bool:
        """Whether it is to stop: for a run that wants to save something before it raises Cancelled."""


RunFunction = Callable[[Mapping[str, Any], Path, Report], None]
"""(spec, folder, report): returns when it is done, and asked again in the same folder goes on where it was."""


@dataclass(frozen=True)
class Kind:
    """`where` is `module:function`, imported only in the run's own process."""

    name: str
    where: str

    def function(self) -> RunFunction:
        found: RunFunction = pkgutil.resolve_name(self.where)
        return found


Kinds = Mapping[str, Kind]


def by_name(*kinds: Kind) -> dict[str, Kind]:
    return {kind.name: kind for kind in kinds}
