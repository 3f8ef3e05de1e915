"""Least recently used first out, never more bytes than allowed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from explain_core.engine.cache import Cache


def block(size: int) -> np.ndarray:
    return np.zeros(size, dtype=np.uint8)


def test_the_least_recently_used_goes_first() -> None:
    cache: Cache[np.ndarray] = Cache(30)
    for name in "abc":
        cache.put(name, block(10))
    cache.get("a")
    cache.put("d", block(10))
    assert [name for name in "abcd" if cache.get(name) is not None] == ["a", "c", "d"]


def test_a_value_larger_than_the_cache_is_not_kept_and_pushes_nothing_out() -> None:
    cache: Cache[np.ndarray] = Cache(30)
    cache.put("a", block(30))
    cache.put("b", block(31))
    assert cache.get("a") is not None
    assert cache.get("b") is None


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 40))), st.integers(0, 100))
def test_bytes_are_counted_and_bounded(puts: list[tuple[str, int]], limit: int) -> None:
    cache: Cache[np.ndarray] = Cache(limit)
    for name, size in puts:
        cache.put(name, block(size))
    values = [value for name in "abcdef" if (value := cache.get(name)) is not None]
    assert cache.nbytes == sum(value.nbytes for value in values) <= limit
    assert len(cache) == len(values)


def test_many_threads_leave_the_count_right() -> None:
    cache: Cache[np.ndarray] = Cache(500)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: (cache.put(str(i % 37), block(i % 50)), cache.get(str(i % 11))), range(4000)))
    assert cache.nbytes == sum(value.nbytes for i in range(37) if (value := cache.get(str(i))) is not None) <= 500
