"""Reader studies on the Campaigns page in a real browser: they are legible and fit, and figures are drawn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from annotations.database import open_database
from annotations.people import People
from annotations.reading.bundle import read_study
from annotations.reading.reads import Reads
from annotations.reading.studies import CLOSED, OPEN, Plan, Studies
from tests.annotations.studies import ARMS, answers, case, film_of, finding, write_study
from tests.browser.conftest import LOOKS, PATIENCE, Served, at_rest, check_log
from tests.browser.test_in_chromium import serious

pytestmark = pytest.mark.browser
NAMES = [f"c{number}" for number in range(10)]
READERS = ("bob", "cyd")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The study s, read by bob and cyd and closed, and a build with one blocked case that has no study yet."""
    home = tmp_path_factory.mktemp("studies")
    database = open_database(f"sqlite:///{home / 'rhoscope.db'}")
    people, studies = People(database), Studies(database)
    people.add("ada", "admin")
    for name in READERS:
        people.add(name, "clinician", by="ada")
    cases = [case(name, number % 2) for number, name in enumerate(NAMES)]
    bundle = read_study(write_study(home / "runs/first.study/bundle", cases, ARMS))
    studies.create("s", bundle, by="ada", plan=Plan(3, 0, 900), readers=READERS)
    studies.set_state("s", OPEN, by="ada")
    reads, numbers = Reads(database), {film_of(name): number for number, name in enumerate(NAMES)}
    for place, reader in enumerate(READERS):
        while (task := reads.task("s", reader)) is not None:
            film = task.films[0]["film"]
            number = numbers[film]
            score = (37 * number + 20 * place) % 55 + (35 if number % 2 and task.step == "final" else 10)
            found = [finding(film, score)] if score >= 40 else []
            given = answers(task.step, task.form.letters, score=score, findings=found)
            kept = reads.save(task.token, given, revision=0, key=f"{task.token} s")
            reads.lock(task.token, revision=kept.revision, key=f"{task.token} l")
    studies.set_state("s", CLOSED, by="ada")
    write_study(home / "runs/second.study/bundle", cases, ARMS, failed="c3")
    one = Served(home, "")
    one.start()
    yield one
    one.stop()
    check_log(home / "app.log")


def shot(page: Page, name: str) -> None:
    if folder := os.environ.get("RHOSCOPE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"studies-{name}.png")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_it_is_legible_and_fits(chromium: Browser, served: Served, scheme: str, width: int) -> None:
    window = chromium.new_context(viewport={"width": width, "height": 2400}, color_scheme=scheme)  # type: ignore[arg-type]
    window.set_default_timeout(PATIENCE * 1000)
    page = window.new_page()
    page.goto(f"http://127.0.0.1:{served.port}/campaigns")
    page.get_by_role("radio", name="Reader studies").click()
    page.get_by_role("button", name="Work out the figures").click()
    expect(page.get_by_text("Agreement between readers on coded fields")).to_be_visible()
    expect(page.locator(".js-plotly-plot .scatterlayer")).to_have_count(5)
    fits(page, f"all-{scheme}-{width}")
    page.get_by_role("radio", name="Set up a study").click()
    expect(page.get_by_text("1 blocked: nobody reads these cases")).to_be_visible()
    for label in ("Name of the study", "Model", "Title, as readers see it", "Name of the build"):
        expect(page.get_by_label(label, exact=True)).to_be_visible()
    expect(page.get_by_role("combobox", name="Readers")).to_be_visible()
    fits(page, f"new-{scheme}-{width}")
    window.close()


def fits(page: Page, name: str) -> None:
    at_rest(page)
    shot(page, name)
    assert serious(page) == []
    script = "document.querySelector('.stMain').scrollWidth - document.querySelector('.stMain').clientWidth"
    assert page.evaluate(script) <= 0
