"""The Benchmarks page in a real browser: a protocol's table and figure, two runs compared, published marks."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import at_rest, choose
from tests.browser.test_in_chromium import serious

pytestmark = pytest.mark.browser
Look = Callable[..., Page]
FIRST, SECOND = "table-2-demo", "table-2-demo-shortcut"


def chosen(page: Page, *names: str) -> Page:
    """The page with exactly these results."""
    choose(page, "Results", *names)
    for name in names:
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    at_rest(page)
    return page


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (900, "dark")])
def test_a_protocol_with_published_marks(look: Look, width: int, scheme: str, tmp_path: Path) -> None:
    page = look("benchmarks", width=width, scheme=scheme)
    chosen(page, FIRST)
    legend = page.locator(".js-plotly-plot .legend")
    expect(legend).to_have_count(1)
    expect(legend).to_contain_text("deletion, published")
    expect(page.get_by_text("VGG-19-bn, 5,000 ImageNet validation pictures.")).to_be_visible()
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.screenshot(path=Path(os.environ.get("RHOSCOPE_SCREENSHOTS", tmp_path)) / f"benchmarks-{width}-{scheme}.png")


def test_two_runs_are_laid_side_by_side(look: Look) -> None:
    page = chosen(look("benchmarks"), FIRST, SECOND)
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    expect(page.get_by_role("heading", name=f"{SECOND} less {FIRST}")).to_be_visible()
    assert serious(page) == []


def test_every_number_can_be_taken_away(look: Look) -> None:
    page = chosen(look("benchmarks"), FIRST)
    with page.expect_download() as started:
        page.get_by_role("button", name="All (JSON)").click()
    arms = json.loads(Path(started.value.path()).read_text())
    assert {(arm["row"], arm["metric"]) for arm in arms} == {
        (method, game) for method in ("gradcam", "gradient") for game in ("deletion", "insertion")
    }
    assert all(len(arm["per_image"]) == 4 for arm in arms)


def test_an_evaluation_is_started_watched_and_shown(look: Look) -> None:
    page = look("benchmarks")
    page.get_by_role("tab", name="Start").click()
    data = page.get_by_role("textbox", name="Data")
    data.fill("phantom:40,1")
    page.get_by_role("combobox", name="What to run").fill("Deletion")
    page.get_by_role("option", name="Deletion (metric)").click()
    expect(page.get_by_role("textbox", name="Name of the result")).to_have_value("deletion")
    expect(data).to_have_value("phantom:40,1")  # what was typed stays
    page.get_by_role("textbox", name="Name of the result").fill("started-here")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("tab", name="Results").click()
    at_work = page.get_by_text(re.compile("started-here: (waiting|running)"))
    expect(at_work).to_be_visible()
    expect(at_work).to_have_count(0)
    chosen(page, "started-here")
    expect(page.get_by_text("40 pictures of phantom:40,1")).to_be_visible()
