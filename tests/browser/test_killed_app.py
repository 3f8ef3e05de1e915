"""The app is killed twenty times while somebody answers: what the page had said is saved is there.

pytest -m "browser and slow" -s tests/browser/test_killed_app.py
"""

from __future__ import annotations

import hashlib
import random
import signal
import time
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from playwright.sync_api import Error as BrowserError
from sqlalchemy import select

from annotations.audit import verify
from annotations.bundle import read_bundle
from annotations.campaigns import Campaigns, Plan
from annotations.database import Database, open_database
from annotations.export import read_labels
from annotations.people import People
from annotations.queue import Queue
from annotations.tables import LeaseRow
from tests.annotations.bundles import item, write_bundle
from tests.browser.conftest import Served
from tests.browser.test_annotate import be

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(3600)]
KILLS, ITEMS, LEASE_S = 20, 400, 5
LONGEST_S = 3.0
"""From the moment the page is there to the kill, at most."""


@pytest.fixture
def served(chromium: Browser, tmp_path: Path) -> Iterator[Served]:
    folder = write_bundle(tmp_path / "bundle", [item(f"{number:03}") for number in range(ITEMS)], png=True)
    made = Served(tmp_path, "")
    people = People(opened(made))
    people.add("ada", "admin")
    people.add("bob", "annotator", by="ada")
    Campaigns(opened(made)).create("cats", read_bundle(folder), by="ada", plan=Plan(1, 1, LEASE_S))
    yield made
    made.stop()


def opened(served: Served) -> Database:
    return open_database(f"sqlite:///{served.home / 'rhoscope.db'}")


def killed(served: Served) -> None:
    assert served.process
    served.process.send_signal(signal.SIGKILL)
    served.process.wait()


def named(page: Page, names: dict[str, str]) -> str | None:
    """The item whose picture is shown."""
    source = page.locator(".rating-adversarial").get_attribute("src", timeout=1000) or ""
    return names.get(hashlib.sha256(b64decode(source.partition(",")[2])).hexdigest())


def answered_until(page: Page, names: dict[str, str], end: float) -> list[str]:
    """Items that the page called saved, by the next one's appearance, until the moment comes."""
    done: list[str] = []
    try:
        while time.monotonic() < end:
            before, count = named(page, names), said(page)
            page.wait_for_timeout(220)
            page.keyboard.press("1")
            while time.monotonic() < end and (said(page) == count or named(page, names) == before):
                page.wait_for_timeout(5)
            if before and said(page) == count + 1:
                done.append(before)
    except BrowserError:
        pass  # the app is gone, and with it the page's parts
    return done


def said(page: Page) -> int:
    return int(page.locator(".rating-said").inner_text(timeout=1000).split(" ")[0])


def test_what_was_said_to_be_saved_is_saved(chromium: Browser, served: Served) -> None:
    names = {
        hashlib.sha256(path.read_bytes()).hexdigest(): path.name.removesuffix("-adversarial.png")
        for path in (served.home / "bundle/pictures").glob("*-adversarial.png")
    }
    draw, acknowledged = random.Random(0), []
    window = chromium.new_context(viewport={"width": 1440, "height": 1200})
    for _ in range(KILLS):
        served.start()
        page = window.new_page()
        page.goto(f"http://127.0.0.1:{served.port}/annotate")
        be(page, "bob")
        moment = draw.uniform(0.2, LONGEST_S)
        acknowledged += answered_until(page, names, time.monotonic() + moment)
        killed(served)
        page.close()
        kept = [label.item for label in read_labels(opened(served), "cats")]
        assert set(acknowledged) <= set(kept)
        assert len(kept) == len(set(kept))
        verify(opened(served))
    assert len(acknowledged) >= KILLS
    print(f"{len(acknowledged)} acknowledged, {len(kept)} kept, {KILLS} kills")
    none_is_stuck(opened(served))


def none_is_stuck(database: Database) -> None:
    """A lease's time over, its item goes to somebody else."""
    people = People(database)
    people.add("cyd", "annotator", by="ada")
    left = ITEMS - len(read_labels(database, "cats"))

    def later() -> datetime:
        return datetime.fromtimestamp(time.time() + 2 * LEASE_S, UTC)

    queue = Queue(database, clock=later)
    for number in range(left):
        task = queue.next("cats", "cyd")
        assert task is not None, f"{left - number} items are in nobody's hands and not to be had"
        queue.answer(task.token, "unchanged", f"cyd {number}")
    assert queue.next("cats", "cyd") is None
    with database.read() as session:
        assert not session.scalars(select(LeaseRow).where(LeaseRow.state == "open")).all()
