"""The Explore page as people use it: the real app, engine and network in a real browser."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import LOOKS, App, at_rest

pytestmark = pytest.mark.browser
Look = Callable[..., Page]

QUICK = "?source=workspace&method1=explain-minus&method2=gradcam"
"""A small picture, and methods whose whole path is solved in seconds."""

MOVE = """
(step) => new Promise((resolve) => {
  const slider = document.querySelector("#rho");
  const pictures = () => [...document.querySelectorAll("img.panel-over")].map((img) => img.src).join();
  const before = pictures();
  const start = performance.now();
  slider.stepUp(step);
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  const look = () => (pictures() === before ? requestAnimationFrame(look) : resolve(performance.now() - start));
  look();
})
"""


def pictures(page: Page) -> list[str]:
    expect(page.locator("img.panel-over[src]")).to_have_count(4)
    found: list[str] = page.locator("img.panel-over").evaluate_all("imgs => imgs.map(img => img.src)")
    return found


def solved(page: Page) -> Page:
    """The page once the whole path is there."""
    expect(page.get_by_text("explanations are solved")).to_be_visible()
    expect(page.locator("img.panel-over[src]")).to_have_count(4)
    return page


def serious(page: Page) -> list[str]:
    """Violations that our code can change: rule, and the elements."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {[node['html'][:200] for node in one['nodes']]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def test_four_panels_on_a_phantom_with_a_lesion(look: Look) -> None:
    page = look()
    expect(page.get_by_text("Preview: ").first).to_be_visible()
    expect(page.locator("img.panel-over[src]")).to_have_count(4)
    names = page.locator("img.panel-over").evaluate_all("imgs => imgs.map(img => img.alt)")
    assert [name.split(",")[0] for name in names] == ["Grad-CAM", "Perceptual ball", "APE", "g_explain+"]
    assert all(source.startswith("data:image/png;base64,") for source in pictures(page))
    sizes = page.locator("img.panel-over").evaluate_all("imgs => imgs.map(img => img.naturalWidth)")
    assert set(sizes) == {256}
    for other in page.locator("img:visible").evaluate_all(
        "imgs => imgs.map(img => [img.src, img.hasAttribute('alt')])"
    ):
        assert ".jpg" not in other[0]
        assert other[1]


def test_moving_the_slider_changes_the_pictures_without_any_work(look: Look, app: App) -> None:
    page = solved(look(QUICK))
    before, took = app.steps, []
    for move in range(20):
        took.append(page.evaluate(MOVE, 1 if (move // 3) % 2 == 0 else -1))
        page.wait_for_timeout(50)
    print(f"slider to pictures: median {statistics.median(took):.1f} ms, largest {max(took):.1f} ms")
    expect(page.get_by_text("explanations are solved")).to_be_visible()
    assert app.steps == before


def test_the_slider_obeys_the_keyboard_and_the_address_follows(look: Look) -> None:
    page = solved(look(QUICK))
    slider = page.get_by_role("slider", name="Size of the change")
    slider.focus()
    first = pictures(page)
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "0.07")
    second = pictures(page)
    assert second[1] != first[1]
    assert second[0] == first[0], "Grad-CAM has no ρ"
    page.wait_for_url("**rho=0.07**")
    page.reload()
    solved(page)
    assert pictures(page) == second


def test_opacity_changes_in_the_browser(look: Look) -> None:
    page = solved(look(QUICK))
    page.get_by_role("slider", name="Opacity").focus()
    page.keyboard.press("Home")
    assert page.locator("img.panel-over").first.evaluate("img => getComputedStyle(img).opacity") == "0"


def test_nothing_jumps_when_results_arrive(look: Look) -> None:
    page = look(QUICK + "&target=top2")
    expect(page.locator(".panel-box")).to_have_count(4)
    expect(page.locator(".panel-box").first).to_be_visible()
    at_rest(page)  # what stands above is there too
    first = page.locator(".panel-box").last.bounding_box()
    solved(page)
    assert page.locator(".panel-box").last.bounding_box() == first


def test_views_are_switched(look: Look) -> None:
    page = solved(look(QUICK))
    page.get_by_role("radio", name="Difference").click()
    expect(page.get_by_text("gain ×").first).to_be_visible()
    page.get_by_role("radio", name="Mask").click()
    expect(page.get_by_text("Grad-CAM makes no mask.").first).to_be_visible()
    page.wait_for_url("**view=mask**")


def test_a_bad_upload_is_a_message(look: Look) -> None:
    page = look("?source=upload")
    page.locator("input[type=file]").set_input_files(
        files=[{"name": "scan.png", "mimeType": "image/png", "buffer": b"not a picture"}]
    )
    expect(page.get_by_text("Not a picture")).to_be_visible()
    expect(page.get_by_text("Traceback")).to_have_count(0)


def test_a_download_holds_everything(look: Look, tmp_path: Path) -> None:
    import zipfile

    page = solved(look(QUICK))
    with page.expect_download() as started:
        page.get_by_role("button", name="Download").click()
    kept = tmp_path / "all.zip"
    started.value.save_as(kept)
    with zipfile.ZipFile(kept) as archive:
        names = archive.namelist()
        lines = [json.loads(line) for line in archive.read("explanations.jsonl").decode().splitlines()]
    assert {line["method"] for line in lines} == {"gradcam", "explain-minus", "explain-plus"}
    assert all(line["file"] in names for line in lines)


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_it_is_legible_and_fits(look: Look, scheme: str, width: int) -> None:
    page = solved(look(QUICK, width=width, scheme=scheme))
    page.wait_for_timeout(500)
    shots = os.environ.get("RHOSCOPE_SCREENSHOTS")
    if shots:
        page.screenshot(path=Path(shots) / f"explore-{scheme}-{width}.png")
    assert serious(page) == []
    wide = page.evaluate(
        "document.querySelector('.stMain').scrollWidth - document.querySelector('.stMain').clientWidth"
    )
    assert wide <= 0
    assert clipped(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_methods_page_leads_from_its_table_to_a_method(look: Look, scheme: str) -> None:
    page = look("methods", scheme=scheme)
    page.get_by_role("link", name="APE", exact=True).click()
    expect(page.get_by_role("heading", name="APE", exact=True)).to_be_in_viewport()
    assert serious(page) == []


def clipped(page: Page) -> list[Any]:
    """Texts of ours that do not fit into their boxes."""
    found: list[Any] = page.locator(".panel p, .panel dt, .panel dd, .rho-bar span").evaluate_all(
        "all => all.filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0).map(e => e.textContent)"
    )
    return found
