"""Sixteen people at once, on SQLite and on PostgreSQL: nothing lost, doubled or given to too many.

    RHOSCOPE_TEST_POSTGRES=… pytest -m slow -s tests/acceptance/test_raters.py

Each rater is a process of its own that pauses as people do; then all of them without a pause, for the throughput.
"""

from __future__ import annotations

import random
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from annotations import audit
from annotations.bundle import read_bundle
from annotations.campaigns import Campaigns, Plan
from annotations.database import open_database
from annotations.export import read_labels
from annotations.people import People
from annotations.queue import Queue
from tests.annotations.bundles import item, write_bundle
from tests.annotations.server import postgres

pytestmark = pytest.mark.slow
RATERS, OVERLAP = 16, 2
ANSWERS = ("unchanged", "unsure", "changed")


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'rhoscope.db'}"
    else:
        yield from postgres()


def begin(url: str, tmp_path: Path, items: int) -> None:
    database = open_database(url)
    people = People(database)
    people.add("ada", "admin")
    for number in range(RATERS):
        people.add(f"rater {number}", "annotator", by="ada")
    bundle = read_bundle(write_bundle(tmp_path / "bundle", [item(f"{number:05}") for number in range(items)]))
    Campaigns(database).create("cats", bundle, by="ada", plan=Plan(OVERLAP, OVERLAP, 600))
    database.engine.dispose()


def rate(url: str, number: int, shortest: float, longest: float) -> tuple[list[float], list[float]]:
    """One rater until nothing is left: seconds of each answer, and of each wait for the next item."""
    queue, draw = Queue(open_database(url)), random.Random(number)
    answers, waits = [], []
    while True:
        start = time.perf_counter()
        task = queue.next("cats", f"rater {number}")
        waits.append(time.perf_counter() - start)
        if task is None:
            return answers, waits
        time.sleep(draw.uniform(shortest, longest))
        start = time.perf_counter()
        queue.answer(task.token, draw.choice(ANSWERS), secrets.token_hex(8))
        answers.append(time.perf_counter() - start)


def all_at_once(url: str, shortest: float, longest: float) -> tuple[list[float], list[float], float]:
    with ProcessPoolExecutor(RATERS, mp_context=get_context("spawn")) as raters:
        list(raters.map(abs, range(RATERS)))  # every process is there
        start = time.perf_counter()
        asked = [raters.submit(rate, url, number, shortest, longest) for number in range(RATERS)]
        found = [one.result() for one in asked]
        took = time.perf_counter() - start
    return [s for answers, _ in found for s in answers], [s for _, waits in found for s in waits], took


def check(url: str, items: int) -> None:
    database = open_database(url)
    labels = read_labels(database, "cats")
    assert len(labels) == OVERLAP * items
    assert len({(label.item, label.rater) for label in labels}) == len(labels)
    assert set(Counter(label.item for label in labels).values()) == {OVERLAP}
    assert not any(label.late for label in labels)
    assert audit.verify(database).entries == len(labels) + RATERS + 2
    database.engine.dispose()


@pytest.mark.timeout(1800)
def test_they_pause_as_people_do(url: str, tmp_path: Path) -> None:
    items = 2000
    begin(url, tmp_path, items)
    answers, waits, took = all_at_once(url, 0.5, 1.5)
    check(url, items)
    for name, seconds in (("answer", answers), ("next", waits)):
        median, high = np.percentile(seconds, (50, 99)) * 1000
        print(f"\n{name}: {len(seconds)}, median {median:.1f} ms, 99th percentile {high:.1f} ms, in {took:.0f} s")
    assert np.percentile(answers, 99) < 0.25


@pytest.mark.timeout(1800)
def test_they_do_not_pause(url: str, tmp_path: Path) -> None:
    items = 500
    begin(url, tmp_path, items)
    answers, _, took = all_at_once(url, 0, 0)
    check(url, items)
    print(f"\n{len(answers) / took:.0f} answers a second; 99th percentile {np.percentile(answers, 99) * 1000:.0f} ms")
