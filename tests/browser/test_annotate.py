"""The Annotate page by keys alone: nothing labelled twice, nothing lost, and the same item after a reload."""

from __future__ import annotations

import os
import re
import statistics
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from annotations.audit import verify
from annotations.bundle import read_bundle
from annotations.campaigns import Campaigns, Plan
from annotations.database import Database, open_database
from annotations.export import Label, read_labels
from annotations.people import People
from tests.annotations.bundles import item, picture, write_bundle
from tests.browser.conftest import PATIENCE, Served, at_rest, check_log
from tests.browser.test_in_chromium import serious

pytestmark = pytest.mark.browser
Open = Callable[..., Page]
ITEMS = 30
RATERS = ("bob", "cyd", "dan", "eve", "fay", "gus", "hal", "ivy")

NEXT = """
(key) => new Promise((resolve) => {
  const shown = () => document.querySelector(".rating-adversarial").src;
  const [before, start] = [shown(), performance.now()];
  window.dispatchEvent(new KeyboardEvent("keydown", { key }));
  const look = () => (shown() === before ? requestAnimationFrame(look) : resolve(performance.now() - start));
  look();
})
"""
"""Presses a key; milliseconds until the next item's picture stands there, its answer's commit included."""


@pytest.fixture(scope="module")
def served(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    practice = [item(name, "practice", truth="changed", told={"why": f"It is {name}."}) for name in ("p", "q")]
    folder = write_bundle(home / "bundle", [*practice, *(item(f"{number:02}") for number in range(ITEMS))], png=True)
    marks = [item(name, question="right-thing") for name in "ab"]
    made = Served(home, "")
    database = open_of(made)
    people = People(database)
    people.add("ada", "admin")
    for name in RATERS:
        people.add(name, "annotator", by="ada")
    bundle = read_bundle(write_bundle(home / "marks", marks, png=True, question="right-thing"))
    Campaigns(database).create("marks", bundle, by="ada", plan=Plan(len(RATERS), len(RATERS)))
    Campaigns(database).create("cats", read_bundle(folder), by="ada", plan=Plan(len(RATERS), len(RATERS)))
    made.start()
    yield made
    made.stop()
    verify(database)
    check_log(home / "app.log")


def open_of(served: Served) -> Database:
    return open_database(f"sqlite:///{served.home / 'rhoscope.db'}")


def labels(served: Served, rater: str, campaign: str = "cats") -> list[Label]:
    return [label for label in read_labels(open_of(served), campaign) if label.rater == rater]


@pytest.fixture
def sit_down(chromium: Browser, served: Served) -> Iterator[Open]:
    """The page for a rater, the practice item done."""
    windows = []

    def opened(rater: str, *, practise: bool = True, width: int = 1440, scheme: str = "light") -> Page:
        window = chromium.new_context(viewport={"width": width, "height": 1200}, color_scheme=scheme)  # type: ignore[arg-type]
        window.set_default_timeout(PATIENCE * 1000)
        windows.append(window)
        page = window.new_page()
        page.goto(f"http://127.0.0.1:{served.port}/annotate")
        be(page, rater)
        if practise:
            expect(page.get_by_text("Practice first")).to_be_visible()
            press(page, "3", "As expected: No longer the original class.")
        return page

    yield opened
    for window in windows:
        window.close()


def be(page: Page, rater: str) -> None:
    page.get_by_role("combobox", name="Who are you?").click()
    page.get_by_role("option", name=rater).click()
    expect(page.locator(".rating-question")).to_contain_text("cat")
    begin(page)


def begin(page: Page) -> None:
    """Whoever has answered nothing is told first."""
    at_rest(page)
    if (button := page.get_by_role("button", name="Begin")).is_visible():
        button.click()


def turn_to(page: Page, campaign: str) -> None:
    page.get_by_role("combobox", name="Campaign").click()
    page.get_by_role("option", name=campaign).click()
    expect(page.locator(".rating-explanation")).to_be_visible()
    begin(page)


def press(page: Page, key: str, said: str) -> None:
    """Waits until the item has been seen long enough, presses, and waits for what is said."""
    page.wait_for_timeout(250)
    page.keyboard.press(key)
    expect(page.locator(".rating-said")).to_contain_text(said)


def answered(page: Page, key: str, count: int) -> None:
    press(page, key, f"{count} answered, {ITEMS - count} left.")


def test_thirty_items_by_keys_alone(sit_down: Open, served: Served) -> None:
    page = sit_down("bob")
    for number in range(1, 11):
        answered(page, "123"[number % 3], number)
    press(page, "u", f"9 answered, {ITEMS - 9} left.")
    answered(page, "2", 10)
    press(page, "s", "Put off")
    page.keyboard.press("f")
    expect(page.get_by_role("button", name="Flag")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("n")
    page.get_by_role("textbox", name="Note").fill("an odd one, 1 or 2")
    page.keyboard.press("Escape")
    answered(page, "3", 11)
    expect(page.get_by_role("button", name="Flag")).to_have_attribute("aria-pressed", "false")
    before = page.locator(".rating-adversarial").get_attribute("src")
    page.reload()
    be(page, "bob")
    assert page.locator(".rating-adversarial").get_attribute("src") == before
    took = []
    for number in range(12, ITEMS):
        page.wait_for_timeout(250)
        took.append(page.evaluate(NEXT, "1"))
        expect(page.locator(".rating-said")).to_contain_text(f"{number} answered")
    print(f"key to next item: median {statistics.median(took):.0f} ms, largest {max(took):.0f} ms")
    answered(page, "1", ITEMS)
    expect(page.get_by_text("Nothing is left for you")).to_be_visible()
    for act, shown in (("undo", True), ("instructions", True), ("skip", False), ("flag", False)):
        expect(page.locator(f"[data-act={act}]")).to_be_visible(visible=shown)
    found = labels(served, "bob")
    counting = [label for label in found if label.counts]
    assert len({label.item for label in counting}) == len(counting) == ITEMS
    assert len(found) == ITEMS + 2
    assert [(label.flagged, label.note) for label in counting if label.flagged] == [(True, "an odd one, 1 or 2")]
    assert all(label.active_ms and label.active_ms >= 200 for label in counting)


def test_a_key_that_is_held_labels_once(sit_down: Open, served: Served) -> None:
    page = sit_down("cyd")
    page.wait_for_timeout(250)
    page.keyboard.down("1")
    for _ in range(40):  # as a keyboard repeats a key that is held for two seconds
        page.keyboard.down("1")
        page.wait_for_timeout(50)
    page.keyboard.up("1")
    expect(page.locator(".rating-said")).to_contain_text("1 answered")
    assert len(labels(served, "cyd")) == 1


def test_quick_presses_label_no_more_than_was_seen(sit_down: Open, served: Served) -> None:
    page = sit_down("dan")
    page.wait_for_timeout(250)
    for _ in range(5):
        page.keyboard.press("1")
    expect(page.locator(".rating-said")).to_contain_text("1 answered")
    assert len(labels(served, "dan")) == 1


def test_keys_are_dead_while_a_note_is_written(sit_down: Open, served: Served) -> None:
    page = sit_down("eve")
    page.keyboard.press("n")
    page.keyboard.type("1 2 3 uuu sss")
    page.keyboard.press("Escape")
    assert labels(served, "eve") == []
    answered(page, "2", 1)
    (label,) = labels(served, "eve")
    assert (label.answer, label.note) == ("unsure", "1 2 3 uuu sss")


def test_two_windows_of_one_rater_have_one_item(sit_down: Open, served: Served) -> None:
    first, second = sit_down("fay"), sit_down("fay")
    source = first.locator(".rating-adversarial").get_attribute("src")
    assert second.locator(".rating-adversarial").get_attribute("src") == source
    answered(first, "1", 1)
    press(second, "3", "answered already")
    assert [label.answer for label in labels(served, "fay")] == ["unchanged"]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 900)])
def test_it_is_legible_and_shows_every_pixel(sit_down: Open, scheme: str, width: int, tmp_path: Path) -> None:
    page = sit_down("gus", practise=False, width=width, scheme=scheme)
    shots = Path(os.environ.get("RHOSCOPE_SCREENSHOTS", tmp_path))
    page.screenshot(path=shots / f"annotate-{scheme}-{width}.png")
    assert serious(page) == []
    sizes = page.locator(".rating-pictures img").evaluate_all(
        "imgs => imgs.map(i => [i.clientWidth / i.naturalWidth, i.clientHeight / i.naturalHeight, i.src.slice(0, 14)])"
    )
    assert len(sizes) == 2
    assert sizes[0] == sizes[1] == [round(sizes[0][0]), round(sizes[0][0]), "data:image/png"]
    boxes = [page.locator(f".rating-{side}").bounding_box() for side in ("original", "adversarial")]
    assert boxes[0]
    assert boxes[1]
    assert boxes[0]["y"] == boxes[1]["y"]
    page.keyboard.press("x")
    original = page.locator(".rating-original")
    adversarial = page.locator(".rating-adversarial").get_attribute("src")
    expect(original).to_have_attribute("src", re.compile(re.escape(str(adversarial)[-60:])))
    wide = page.evaluate(
        "document.querySelector('.stMain').scrollWidth - document.querySelector('.stMain').clientWidth"
    )
    assert wide <= 0


def test_keys_can_be_chosen_and_stay(sit_down: Open) -> None:
    page = sit_down("hal")
    page.get_by_text("Keys", exact=True).click()
    first = page.get_by_role("textbox", name="Unchanged", exact=True)
    first.fill("u")
    assert first.evaluate("element => element.validationMessage") == "Undo has this key."
    first.fill("j")
    first.press("Tab")
    page.get_by_role("textbox", name="Unsure", exact=True).fill("e")
    page.get_by_text("Keys", exact=True).click()
    page.locator(".rating-question").click()
    page.wait_for_timeout(250)
    page.keyboard.press("1")
    answered(page, "j", 1)
    page.reload()
    be(page, "hal")
    expect(page.get_by_role("button", name="Unchanged J")).to_be_visible()
    expect(page.get_by_role("button", name="Unsure E")).to_be_visible()
    turn_to(page, "marks")
    expect(page.get_by_role("button", name="Ellipse E")).to_be_visible()
    expect(page.get_by_role("button", name="Unsure 4")).to_be_visible()
    page.get_by_text("Keys", exact=True).click()
    expect(page.get_by_role("textbox", name="Unsure", exact=True)).to_have_value("4")
    page.get_by_role("button", name="The usual ones").click()
    assert page.evaluate("localStorage.getItem('rhoscope-keys')") == "{}"


def test_examples_come_first_and_whenever_asked_for(sit_down: Open, served: Served, tmp_path: Path) -> None:
    page = sit_down("gus", practise=False)
    page.keyboard.press("i")
    told = page.get_by_role("dialog", name="What is asked")
    expect(told.get_by_text("No longer the original class. It is p.")).to_be_visible()
    shown = told.locator("img").evaluate_all("imgs => imgs.map(i => [i.src, i.clientWidth / 32, i.clientHeight / 24])")
    assert [source for source, *_ in shown] == [
        "data:image/png;base64," + b64encode(picture(f"pictures/p-{side}.png")).decode()
        for side in ("original", "adversarial")
    ]
    assert {tuple(times) for _, *times in shown} == {(5, 5)}
    page.screenshot(path=Path(os.environ.get("RHOSCOPE_SCREENSHOTS", tmp_path)) / "annotate-instructions.png")
    page.wait_for_timeout(250)
    page.keyboard.press("3")
    page.keyboard.press("Escape")
    expect(told).to_be_hidden()
    press(page, "3", "As expected: No longer the original class. It is q.")
    assert labels(served, "gus") == []


def test_an_ellipse_is_drawn_in_pixels_of_the_picture(sit_down: Open, served: Served, tmp_path: Path) -> None:
    page = sit_down("ivy", practise=False, width=900, scheme="dark")
    turn_to(page, "marks")
    box = page.locator(".rating-explanation").bounding_box()
    assert box
    times = box["width"] / 32

    def drag(*places: tuple[float, float]) -> None:
        for number, (x, y) in enumerate(places):
            page.mouse.move(box["x"] + x * times, box["y"] + y * times)
            if number == 0:
                page.mouse.down()
        page.mouse.up()

    def seen() -> list[float]:
        """The ellipse over the first picture: its box on the screen, in pixels of the picture."""
        drawn, first = (
            page.locator(".ellipse-under").first.bounding_box(),
            page.locator(".rating-original").bounding_box(),
        )
        assert drawn
        assert first
        left, top = drawn["x"] - first["x"], drawn["y"] - first["y"]
        return [value / times for value in (left, top, left + drawn["width"], top + drawn["height"])]

    def kept() -> dict[str, float]:
        drawn: dict[str, float] = labels(served, "ivy", "marks")[-1].shapes["ellipse"]
        return drawn

    drag((4, 4), (10, 8), (20, 12))
    assert seen() == pytest.approx([4, 4, 20, 12], abs=0.5)
    drag((12, 8), (15, 12))  # moved by (3, 4)
    drag((23, 12), (25, 12))  # and its right end by 2
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("x")
    expect(page.locator(".rating-original")).to_have_attribute(
        "src", str(page.locator(".rating-explanation").get_attribute("src"))
    )
    page.screenshot(path=Path(os.environ.get("RHOSCOPE_SCREENSHOTS", tmp_path)) / "annotate-ellipse-dark-900.png")
    assert serious(page) == []
    press(page, "2", "1 answered, 1 left.")
    expected = {"cx": 14, "cy": 12, "rx": 10, "ry": 5, "angle": 0}
    assert kept() == pytest.approx(expected, abs=0.2)
    expect(page.locator(".ellipse-under").first).to_be_hidden()
    press(page, "u", "Taken back")
    assert seen() == pytest.approx([4, 7, 24, 17], abs=0.5)
    page.reload()
    be(page, "ivy")
    turn_to(page, "marks")
    assert seen() == pytest.approx([4, 7, 24, 17], abs=0.5)
    page.keyboard.press("e")
    page.keyboard.press("PageDown")
    press(page, "2", "1 answered, 1 left.")
    assert kept() == pytest.approx({**expected, "angle": 5}, abs=0.2)
    page.keyboard.press("e")
    page.keyboard.press("Delete")
    press(page, "1", "2 answered, 0 left.")
    assert labels(served, "ivy", "marks")[-1].shapes == {}
