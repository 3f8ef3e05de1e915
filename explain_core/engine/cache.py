"""Least recently used first out, bounded by bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """A value that knows how many bytes it holds."""

    @property
    def nbytes(self) -> int: ...


V = TypeVar("V", bound=Sized)


class Cache(Generic[V]):
    """A thread-safe mapping whose values together hold at most `limit` bytes.

    A single value larger than the limit is not kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.nbytes = 0
        self._values: OrderedDict[str, V] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str) -> V | None:
        """The value, now the most recently used, or None."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key]

    def put(self, key: str, value: V) -> None:
        """Keeps the value, and lets go of the least recently used ones that no longer fit."""
        if value.nbytes > self.limit:
            return
        with self._lock:
            previous = self._values.pop(key, None)
            self.nbytes += value.nbytes - (previous.nbytes if previous is not None else 0)
            self._values[key] = value
            while self.nbytes > self.limit:
                _, oldest = self._values.popitem(last=False)
                self.nbytes -= oldest.nbytes
