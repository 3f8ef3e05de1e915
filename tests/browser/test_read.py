"""The Read page in a real browser: a case by keys alone, and a whole study whose areas are known before it is read."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from annotations.agreement import Resampling
from annotations.audit import verify
from annotations.database import Database, open_database
from annotations.people import People
from annotations.reading.analysis import analyse
from annotations.reading.answers import FINAL, UNAIDED
from annotations.reading.bundle import read_study
from annotations.reading.export import export, read_told
from annotations.reading.reads import Reads
from annotations.reading.studies import OPEN, Plan, Studies
from annotations.reading.tables import DraftRow, ReaderRow, ReadingRow
from annotations.tables import PersonRow
from cli import main
from explain_core.errors import InputError
from explain_core.reading import long
from tests.browser.conftest import CHROMIUM, FLAGS, PATIENCE, Served, at_rest, check_log
from tests.browser.test_in_chromium import serious

pytestmark = pytest.mark.browser
CASES = int(os.environ.get("RHOSCOPE_TEST_CASES", "20"))
READERS = ("bob", "cyd", "dan")
ARMS = ["alone=", "aided=gradcam+output"]


def built(home: Path, data: str, practice: str, idle_s: int = 900) -> tuple[Served, Database]:
    """The study s, open, read by READERS; explanations computed before."""
    spec = {"model": "demo", "data": data, "practice": practice, "arms": ARMS, "title": "Phantoms"}
    folder = long.carry_out(spec, home / "build", "cpu", on_progress=lambda _: None, on_fault=print)
    database = open_database(f"sqlite:///{home / 'rhoscope.db'}")
    people = People(database)
    people.add("ada", "admin")
    for name in READERS:
        people.add(name, "clinician", by="ada")
    studies = Studies(database)
    studies.create("s", read_study(folder), by="ada", plan=Plan(3, 0, idle_s), readers=READERS)
    studies.set_state("s", OPEN, by="ada")
    return Served(home, ""), database


@pytest.fixture
def small(chromium: Browser, tmp_path: Path) -> Iterator[tuple[Page, Database]]:
    """One practice case and one case, and bob at the page."""
    served, database = built(tmp_path, "phantom:1,5", "phantom:1,6")
    served.start()
    window = chromium.new_context(viewport={"width": 1440, "height": 1000})
    window.set_default_timeout(PATIENCE * 1000)
    yield sat_down(window.new_page(), served, "bob"), database
    window.close()
    served.stop()
    check_log(tmp_path / "app.log")


def sat_down(page: Page, served: Served, name: str) -> Page:
    page.goto(f"http://127.0.0.1:{served.port}/read")
    page.get_by_label("Who are you?").click()
    page.get_by_role("option", name=name).click()
    return page


def tab_to(page: Page, words: str) -> None:
    """By the Tab key alone, to what has these words as its name."""
    script = """(words) => { const one = document.activeElement;
        const told = [one.ariaLabel, one.innerText, one.closest("label")?.innerText, one.labels?.[0]?.innerText,
                      one.closest("[role=radiogroup]")?.ariaLabel];
        return told.some((text) => text?.trim().startsWith(words)); }"""
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate(script, words):
            return
    pytest.fail(f"the Tab key does not lead to {words!r}")


ASKED = """
() => {
  const one = document.activeElement;
  const group = one.closest("[role=radiogroup]");
  if (group) return group.querySelector(":checked") ? null : "choice";
  if (one.type === "checkbox") return one.checked || one.disabled ? null : "tick";
  if (one.type === "number" && !one.closest(".films")) return one.value === "" ? "number" : null;
  return null;
}
"""
"""What the question at the keyboard wants; null where nothing is asked, or all is said."""


def answer(page: Page, database: Database) -> None:
    """Every question of the step at hand, by Tab, Space and figures, until nothing is lacking."""
    reads = Reads(database)
    for _ in range(400):
        task = reads.task("s", "bob")
        if task is not None and not task.form.lacking(task.answers):
            return
        page.keyboard.press("Tab")
        match page.evaluate(ASKED):
            case "choice" | "tick":
                page.keyboard.press("Space")
            case "number":
                page.keyboard.type("35")
                page.keyboard.press("Enter")
            case _:
                continue
        at_rest(page)
    pytest.fail("the Tab key does not lead to every question")


def enter(page: Page, words: str) -> None:
    tab_to(page, words)
    page.keyboard.press("Enter")


@pytest.mark.slow
def test_a_study_is_read_by_keys_alone(small: tuple[Page, Database]) -> None:
    """Practice and two cases: an ellipse and all answers by keys, signed by keys; what is lacking is said."""
    page, database = small
    enter(page, "Read practice case 1")
    page.wait_for_function("document.querySelector('.films')?.rhoscope?.idle()")
    at_rest(page)
    assert page.get_by_role("radio", checked=True).count() == 0
    assert page.locator(".films-explanation").is_hidden()
    enter(page, "Sign this step")
    expect(page.get_by_text("Not complete: density of the breasts; assessment; suspicion")).to_be_visible()
    assert serious(page) == []
    tab_to_film(page)
    page.keyboard.press("e")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Finding 1 (ellipse)")).to_be_visible()
    at_rest(page)
    answer(page, database)
    task = Reads(database).task("s", "bob")
    assert task is not None
    assert (task.step, task.answers["score"], set(task.answers["fields"])) == (UNAIDED, 35, {"density", "assessment"})
    (found,) = task.answers["findings"]
    assert (found["film"], set(found["shape"])) == (task.films[0]["film"], {"ellipse"})
    sign(page)
    expect(page.get_by_text("final, with")).to_be_visible()
    for number in (0, 1, 2):
        for words in ("unaided, before", "final, with"):
            if number or words.startswith("final"):
                expect(page.get_by_text(words)).to_be_visible()
                at_rest(page)
                answer(page, database)
                assert serious(page) == []
                sign(page)
        if number == 0:
            expect(page.get_by_text("Practice case 1 is")).to_be_visible()
            enter(page, "Seen")
            expect(page.get_by_text("Practice case 1 is")).to_have_count(0)
            expect(page.get_by_role("button", name="Read case 2")).to_be_visible()  # nothing opens by itself
            page.keyboard.press("g")
        elif number == 1:
            enter(page, "Read case 3")
    expect(page.get_by_text("Every case is read.")).to_be_visible()
    assert len(read_told(database, "s").reads) >= 4


@pytest.mark.slow
def test_a_hidden_tab_is_no_time_at_work(small: tuple[Page, Database]) -> None:
    """Told by the browser's event, which is made here; timers, which browsers let rest in hidden tabs, are stopped."""
    page, database = small
    enter(page, "Read practice case 1")
    page.wait_for_function("document.querySelector('.watch')?.timer")
    at_rest(page)
    turn = """(hidden) => { Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
        document.dispatchEvent(new Event("visibilitychange")); return document.querySelector(".watch").sums; }"""
    page.evaluate("clearInterval(document.querySelector('.watch').timer)")
    before, since = page.evaluate(turn, True), page.evaluate("performance.now()")
    page.wait_for_function("(since) => performance.now() - since > 1500", arg=since)
    after = page.evaluate(turn, False)
    assert (after["active"], after["hidden"] > 1500) == (before["active"], True)
    enter(page, "Sign this step")
    expect(page.get_by_text("Not complete")).to_be_visible()
    with database.read() as session:
        (draft,) = session.scalars(select(DraftRow))
        assert abs(draft.hidden_ms - after["hidden"]) <= 1
        assert draft.active_ms >= int(after["active"])


def tab_to_film(page: Page) -> None:
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.classList.contains('films-view')"):
            return
    pytest.fail("the Tab key does not lead to a film")


def sign(page: Page) -> None:
    enter(page, "Sign this step")
    enter(page, "Sign and lock")


def choose(page: Page, group: str, answer: str) -> None:
    page.get_by_role("radiogroup", name=group).get_by_text(answer, exact=True).click()


def fill(page: Page, label: str, value: int) -> None:
    box = page.get_by_label(label)
    box.fill(str(value))
    box.press("Enter")


def read(page: Page, step: str, letters: str, score: int) -> None:
    """One step from its first sight to its lock."""
    choose(page, "Density of the breasts", "much gland, uneven")
    choose(page, "Assessment", "2 benign" if score < 50 else "5 malignant by its looks")
    fill(page, "Suspicion of malignancy of the case", score)
    choose(page, "Confidence", "3")
    page.get_by_text("There is no finding", exact=True).click()
    for letter in letters:
        if step == UNAIDED:
            fill(page, f"How far would you trust explanation {letter}", 40)
            continue
        choose(page, f"Is the place that {letter} marks plausible", "4 well")
        page.get_by_text(f"Nothing is missing in {letter}", exact=True).click()
        page.get_by_text(f"Nothing is misleading in {letter}", exact=True).click()
        fill(page, f"Trust in {letter} now", 60)
    page.get_by_role("button", name="Sign this step").click()
    page.get_by_role("button", name="Sign and lock").click()


def score_of(reader: str, label: int, number: int, arm: str, step: str) -> int:
    """What a scripted reader says of the case of this number: better with an explanation, and each in their own way."""
    helped = 25 if (arm, step) == ("aided", FINAL) else 10 * (step == FINAL)
    noise = (37 * number + 11 * READERS.index(reader) + 5 * (arm == "aided")) % 60
    return min(100, 20 + noise + (helped if label else 0))


def area(pairs: list[tuple[int, float]]) -> float:
    """By hand: every case with a lesion against every one without."""
    wins = [(one > other) + 0.5 * (one == other) for is_, one in pairs if is_ for not_, other in pairs if not not_]
    return sum(wins) / len(wins)


def read_all(served: Served, reader: str, todo: list[tuple[str, str, int, int]]) -> None:
    """A reader with a browser of their own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        window = browser.new_context(viewport={"width": 1000, "height": 640})
        window.set_default_timeout(PATIENCE * 1000)
        page = sat_down(window.new_page(), served, reader)
        for number, (step, letters, position, score) in enumerate(todo):
            if step == UNAIDED:
                page.get_by_role("button", name=f"Read case {position}, unaided step").click()
            words = "unaided, before" if step == UNAIDED else "final, with"
            expect(page.get_by_text(words)).to_be_visible(timeout=PATIENCE * 1000)
            expect(page.get_by_text(f"Case {position} of")).to_be_visible(timeout=PATIENCE * 1000)
            at_rest(page)  # what stands below may be the step before, until the page is drawn to its end
            read(page, step, letters, score)
            print(f"{reader} {number + 1} of {len(todo)}", flush=True)
        expect(page.get_by_text("Every case is read.")).to_be_visible(timeout=PATIENCE * 1000)
        browser.close()


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_a_whole_study(tmp_path: Path) -> None:
    """Must show 5 of issue E: three scripted readers, twenty phantoms, two arms."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: install one, or name it in RHOSCOPE_CHROMIUM")
    served, database = built(tmp_path, f"phantom:{CASES},5", "")
    with database.read() as session:
        asked = select(PersonRow.name, ReaderRow.order).join(ReaderRow, ReaderRow.person_id == PersonRow.id)
        orders = {row.name: row.order for row in session.execute(asked)}
    cases = {case.name: (number, case.truth["label"]) for number, case in
             enumerate(read_study(tmp_path / "build" / "bundle").cases)}  # fmt: skip
    wanted: dict[tuple[str, str, str], list[tuple[int, float]]] = {}
    todo: dict[str, list[tuple[str, str, int, int]]] = {reader: [] for reader in READERS}
    for reader, order in orders.items():
        for position, (_, name, arm) in enumerate(order, 1):
            for step in (UNAIDED, FINAL):
                number, label = cases[name]
                score = score_of(reader, label, number, arm, step)
                wanted.setdefault((reader, arm, step), []).append((label, score))
                todo[reader].append((step, "A" if arm == "aided" else "", position, score))
    served.start()
    try:
        with ThreadPoolExecutor(len(READERS)) as pool:
            list(pool.map(read_all, [served] * len(READERS), READERS, todo.values()))
    finally:
        served.stop()
    rows = list(csv.DictReader(io.StringIO(export(database, "s", "readings"))))
    assert len(rows) == len(READERS) * CASES * 2 * 2
    figures = {
        (row["reader"], row["arm"], row["step"]): row["auc"]
        for row in analyse(database, "s", Resampling(resamples=200))["auc"]
    }
    for key, pairs in wanted.items():
        mine = [row for row in rows if (row["reader"], row["arm"], row["step"]) == key]
        found = area([(int(row["truth"]), float(row["score"])) for row in mine])
        assert found == area(pairs)
        assert figures[key] == pytest.approx(found, abs=1e-12)
        print(key, round(found, 4), flush=True)
    assert all(int(row["active_ms"]) > 0 for row in rows)
    cannot_be_changed(database, tmp_path)
    check_log(tmp_path / "app.log")


def cannot_be_changed(database: Database, folder: Path) -> None:
    """Neither by a request with the token that signed it, nor by the shell, nor in the database; all is as it was."""
    before, head = read_told(database, "s").reads, verify(database)
    with database.read() as session:
        tokens = list(session.scalars(select(ReadingRow.token)))
    (folder / "a.json").write_text('{"score": 1}')
    for token in tokens:
        with pytest.raises(InputError, match="is locked"):
            Reads(database).save(token, {"score": 1}, revision=1, key="again")
        with pytest.raises(InputError, match="is locked"):
            Reads(database).lock(token, revision=1, key="again")
    asked = ["--token", tokens[0], "--revision", "1", "--db", database.url]
    assert main(["study", "save", *asked, "--answers", str(folder / "a.json")]) == 2
    assert main(["study", "lock", *asked]) == 2
    for statement in ("UPDATE readings SET answers = '{}'", "DELETE FROM readings", "DELETE FROM study_cases"):
        with pytest.raises(DBAPIError, match="only grows"), database.engine.begin() as connection:
            connection.execute(text(statement))
    assert read_told(database, "s").reads == before
    assert verify(database) == head
