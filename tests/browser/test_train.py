"""The Train page as people use it: the real app, a real worker, networks that are trained in seconds."""

from __future__ import annotations

import csv
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from annotations.database import open_database
from annotations.runs import RunStore
from explain_core.runs.beside import at_work
from explain_core.training.recipe import parse_recipe
from tests.browser.conftest import LOOKS, PATIENCE, Served, at_rest, check_log, choose
from tests.browser.test_in_chromium import serious

pytestmark = pytest.mark.browser
Open = Callable[..., Page]
RECIPE = """
title = "Colours"
base = "ae-cifar10"

[network]
architecture = "lenet"

[input]
size = 16
classes = "red, green, blue"

[schedule]
epochs = {epochs}
batch = 10
rate = {rate}
warm_up = 0
validation = 0.2

[terms.crop-and-flip]
pad = 1
"""


@pytest.fixture(scope="module")
def served(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Thirty small pictures in one of three colours; two networks trained on them, and the app."""
    home = tmp_path_factory.mktemp("home")
    drawn = np.random.default_rng(0)
    y = np.arange(30) % 3
    x = drawn.integers(0, 120, (30, 16, 16, 3)).astype(np.uint8)
    x[np.arange(30), :, :, y] += 100
    np.savez(home / "colours.npz", x=x, y=y)
    made = Served(home, f"npz:{home / 'colours.npz'}")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RHOSCOPE_HOME", "RHOSCOPE_RUNS"):
            patch.setenv(name, made.environment[name])
        store = RunStore(open_database())
        for name, rate in (("slowly", 0.01), ("quickly", 0.05)):
            recipe = parse_recipe(RECIPE.format(epochs=8, rate=rate))
            spec = {"recipe": recipe.as_dict(), "data": made.data, "n": None}
            store.submit("train", spec, title=name, out=home / "runs" / f"{name}.train")
        made.work()
        made.start()
        yield made
        made.stop()
        for run in store.find(states=("waiting", "running")):
            store.ask_cancel(run.id)
        until = time.monotonic() + PATIENCE
        while at_work(home) and time.monotonic() < until:
            time.sleep(0.1)
    check_log(home / "app.log")


@pytest.fixture
def open_page(chromium: Browser, served: Served) -> Iterator[Open]:
    windows = []

    def opened(where: str = "train", *, width: int = 1440, height: int = 2600, scheme: str = "light") -> Page:
        window = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
        window.set_default_timeout(PATIENCE * 1000)
        windows.append(window)
        page = window.new_page()
        page.goto(f"http://127.0.0.1:{served.port}/{where}")
        return page

    yield opened
    for window in windows:
        window.close()


def begin(page: Page, served: Served, name: str, epochs: int) -> None:
    """Writes a recipe, names the pictures, and starts."""
    page.get_by_role("radio", name="New run").click()
    page.get_by_role("radio", name="Your own").click()
    page.get_by_role("textbox", name="its text").fill(RECIPE.format(epochs=epochs, rate=0.02))
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("textbox", name="Title")).to_have_value("Colours")
    fill(page, "Training pictures", served.data)
    page.get_by_role("button", name="Look at the pictures").click()
    expect(page.get_by_text("30 pictures, 3 classes: red, green, blue.")).to_be_visible()
    expect(page.get_by_text(f"{2 * epochs:,} steps of 10 pictures, 6 held out")).to_be_visible()
    fill(page, "Name of the run", name)
    page.get_by_role("button", name="Start training").click()


def fill(page: Page, label: str, text: str) -> None:
    box = page.get_by_role("textbox", name=label)
    box.fill(text)
    box.press("Enter")


def look_at(page: Page, *names: str) -> Page:
    """The page with exactly these runs."""
    choose(page, "Look at", *names)
    return page


@pytest.mark.slow
def test_started_cancelled_continued_and_the_app_restarted_meanwhile(open_page: Open, served: Served) -> None:
    page = open_page()
    begin(page, served, "mine", 10_000)
    under_way = running(page)
    expect(under_way).to_be_visible()
    before = under_way.inner_text()
    expect(page.get_by_text(before, exact=True)).to_have_count(0)  # it moves by itself
    expect(page.get_by_text("Gradient norm")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("mine: cancelled")).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    expect(under_way).to_be_visible()
    served.stop()
    served.start()
    page = open_page()
    expect(running(page)).to_be_visible()
    later = running(page).inner_text()
    assert epoch_of(later) > epoch_of(before)
    expect(page.get_by_text(later, exact=True)).to_have_count(0)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("mine: cancelled")).to_be_visible()


def running(page: Page) -> Locator:
    """What is said of the run while it is at work."""
    return page.get_by_text(re.compile(r"mine: running · epoch \d+ of 10000"))


def epoch_of(text: str) -> int:
    found = re.search(r"epoch (\d+) of", text)
    assert found
    return int(found[1])


def test_a_run_ends_and_offers_its_network(open_page: Open, served: Served) -> None:
    page = open_page()
    begin(page, served, "short", 20)
    expect(page.get_by_role("heading", name="With this network")).to_be_visible()
    expect(page.get_by_text("short: running")).to_have_count(0)
    assert (served.home / "runs" / "short.train" / "network" / "card.json").exists()


def test_two_finished_runs_are_compared(open_page: Open) -> None:
    page = look_at(open_page(), "slowly", "quickly")
    legends = page.locator(".js-plotly-plot .legend")
    expect(legends.first).to_contain_text("slowly: cross-entropy")
    expect(legends.first).to_contain_text("quickly: cross-entropy")
    expect(page.get_by_text("In what the recipes differ")).to_be_visible()
    with page.expect_download() as started:
        page.get_by_role("button", name="All points (CSV)").click()
    rows = list(csv.DictReader(Path(started.value.path()).read_text().splitlines()))
    assert {row["run"] for row in rows} == {"slowly", "quickly"}
    assert {"cross-entropy", "accuracy", "validation accuracy", "gradient norm", "rate"} <= {r["curve"] for r in rows}


def test_two_networks_are_opened_in_explore(open_page: Open) -> None:
    page = look_at(open_page(), "slowly", "quickly")
    expect(page.get_by_role("heading", name="With these networks")).to_be_visible()
    expect(page.get_by_role("combobox", name="Beside it")).to_have_value("quickly")
    page.get_by_role("button", name="Open in Explore").click()
    expect(page.get_by_text(re.compile(r"^slowly says: (red|green|blue)"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"^quickly says: (red|green|blue)"))).to_be_visible()
    expect(page).to_have_url(re.compile(r"model=trained[^&]+slowly\.train"))
    expect(page).to_have_url(re.compile(r"model2=trained[^&]+quickly\.train"))


def test_a_network_is_registered_and_opened_by_its_name(open_page: Open, served: Served) -> None:
    page = look_at(open_page(), "quickly")
    fill(page, "Name", "colours")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_text("registry/colours@1")).to_be_visible()
    assert (served.home / "models" / "colours" / "1" / "model.safetensors").exists()
    page = open_page("library")
    expect(page.get_by_text("registry/colours@1", exact=True)).to_be_visible()
    expect(page.locator("code", has_text='title = "Colours"')).to_be_visible()
    page = open_page("?model=registry/colours@1")
    expect(page.get_by_text(re.compile(r"says: (red|green|blue)"))).to_be_visible()


@pytest.mark.slow
def test_networks_are_measured(open_page: Open, served: Served) -> None:
    page = look_at(open_page(), "slowly", "quickly")
    fill(page, "Pictures to measure on", served.data)
    count = page.get_by_role("spinbutton", name="How many")
    count.fill("6")
    count.press("Enter")
    page.get_by_role("button", name="Start measuring").click()
    expect(page.get_by_text("slowly-quickly-vii was started.")).to_be_visible()
    page.get_by_role("link", name="Results: Benchmarks").click()
    name = "slowly-quickly-accuracy-under-attack"
    expect(page.get_by_text(re.compile(f"^{name}: (waiting|running)"))).to_be_visible()
    last = served.home / "runs" / "slowly-quickly-vii.json"
    until = time.monotonic() + PATIENCE
    while not last.exists() and time.monotonic() < until:
        page.wait_for_timeout(200)
    expect(page.get_by_text(re.compile(": (waiting|running)"))).to_have_count(0)
    at_rest(page)
    if not page.locator("[data-tag]", has_text=name).is_visible():  # the first result is shown at once
        page.get_by_role("combobox", name="Results").fill(name)
        page.get_by_role("option", name=name, exact=True).click()
    expect(page.get_by_text("6 pictures of npz:")).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_it_is_legible_and_fits(open_page: Open, served: Served, scheme: str, width: int, tmp_path: Path) -> None:
    page = look_at(open_page(width=width, scheme=scheme), "slowly", "quickly")
    shots = Path(os.environ.get("RHOSCOPE_SCREENSHOTS", tmp_path))
    expect(page.get_by_role("button", name="Open in Explore")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(5)
    page.screenshot(path=shots / f"train-{scheme}-{width}.png")
    assert fits(page)
    assert serious(page) == []
    page.get_by_role("radio", name="New run").click()
    fill(page, "Training pictures", served.data)
    expect(page.get_by_role("spinbutton", name="epochs")).to_be_visible()
    page.screenshot(path=shots / f"train-new-{scheme}-{width}.png")
    assert fits(page)
    assert serious(page) == []


def fits(page: Page) -> bool:
    wide = "document.querySelector('.stMain').scrollWidth - document.querySelector('.stMain').clientWidth"
    return bool(page.evaluate(wide) <= 0)
