"""How fast the viewer is with films of 4,000 × 6,000: must show 8 of issue E.

Says figures and asserts none: `pytest -s -m slow tests/browser/test_viewer_speed.py` on an idle machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from explain_core.films.record import records
from tests.browser.conftest import PATIENCE, Served, at_rest, check_log
from tests.browser.films_study import open_up
from tests.browser.test_review import seen
from tests.dicom.making import film, saved

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PLACES = ("RCC", "LCC", "RMLO", "LMLO")
HIGH, WIDE = 6000, 4000
WATCH = """
(films) => new Promise((done) => {
  let begun = 0, first = 0;
  addEventListener("mousedown", () => (begun = performance.now()), { capture: true });
  const look = () => {
    const views = [...document.querySelectorAll(".films")].flatMap((root) => root.rhoscope?.views() ?? []);
    const ours = views.filter(({ film }) => films.includes(film));
    if (ours.some(({ level }) => level !== undefined)) first ||= performance.now();
    const whole = ours.length === films.length && ours.every(({ whole }) => whole);
    whole ? done([first - begun, performance.now() - begun]) : requestAnimationFrame(look);
  };
  look();
})
"""
"""Milliseconds from the last press of the mouse to the first of these films that is painted, and to all in full."""
FRAMES = """
async ([place, kind]) => {
  const view = document.querySelector(`.films-view[data-place="${place}"]`);
  const box = view.getBoundingClientRect();
  const [clientX, clientY] = [box.left + box.width / 2, box.top + box.height / 2];
  const more = { clientX, clientY, bubbles: true, cancelable: true };
  const acts = {
    zoom: (n) => new WheelEvent("wheel", { ...more, deltaY: n % 60 < 30 ? -50 : 50 }),
    window: (n) => new PointerEvent("pointermove", { ...more, clientX: clientX + (n % 60) }),
  };
  const [gaps, put] = [[], CanvasRenderingContext2D.prototype.putImageData];
  let drawn = 0;
  CanvasRenderingContext2D.prototype.putImageData = function (...of) { drawn++; return put.apply(this, of); };
  let before = await new Promise(requestAnimationFrame);
  for (let n = 0; n < 180; n++) {
    view.dispatchEvent(acts[kind](n));
    const now = await new Promise(requestAnimationFrame);
    gaps.push(now - before);
    before = now;
  }
  CanvasRenderingContext2D.prototype.putImageData = put;
  return { gaps, drawn };
}
"""
"""Milliseconds from frame to frame, each of which draws what the act before it has changed; pictures drawn."""


@pytest.fixture
def served(chromium: Browser, tmp_path: Path) -> Iterator[Served]:
    draw = np.random.default_rng(0)
    wave = 1500 + 1200 * np.sin(np.add.outer(np.arange(HIGH) / 90, np.arange(WIDE) / 130))
    for number, place in enumerate(PLACES):
        values = (wave + draw.integers(0, 200, (HIGH, WIDE))).astype(np.uint16)
        tags = {"ImageLaterality": place[0], "ViewPosition": place[1:], "SOPInstanceUID": f"1.2.3.{number}"}
        saved(tmp_path / "in" / f"{number}.dcm", film(values, PatientOrientation=["P", "L"], **tags))
    small = {"PatientID": "1", "StudyInstanceUID": "1.2.4", "SeriesInstanceUID": "1.2.4.0", "SOPInstanceUID": "1.2.4.1"}
    saved(tmp_path / "in" / "small.dcm", film(**small))
    open_up(tmp_path, tmp_path / "in")
    made = Served(tmp_path, "")
    made.start()
    yield made
    made.stop()
    check_log(tmp_path / "app.log")


def turn_to(page: Page, patient: str) -> None:
    page.get_by_role("combobox", name="Exam").click()
    page.get_by_role("option", name=patient).click()


def said(what: str, found: dict[str, Any]) -> None:
    gaps = found["gaps"]
    assert found["drawn"] >= len(gaps)
    middle, slow = np.median(gaps), np.quantile(gaps, 0.95)
    print(f"{what}: {1000 / middle:.0f} frames per second, slowest twentieth {1000 / slow:.0f}", flush=True)


def test_films_of_24_megapixels(chromium: Browser, served: Served) -> None:
    everything = list(records(served.home / "films"))
    big = [one for one in everything if one.size == (HIGH, WIDE)]
    (small,) = {one.patient for one in everything} - {one.patient for one in big}
    window = chromium.new_context(viewport={"width": 1440, "height": 900})
    window.set_default_timeout(PATIENCE * 1000)
    page = window.new_page()
    page.goto(f"http://127.0.0.1:{served.port}/review")
    page.locator(".films").first.wait_for()
    at_rest(page)
    turn_to(page, small)
    at_rest(seen(page))
    for _ in range(3):
        page.evaluate(f"(films) => {{ window.times = ({WATCH})(films); }}", [one.film for one in big])
        turn_to(page, big[0].patient)
        first, whole = page.evaluate("() => window.times")
        print(f"first film after {first:.0f} ms, all four in full after {whole:.0f} ms", flush=True)
        turn_to(page, small)
        at_rest(seen(page))
    turn_to(page, big[0].patient)
    seen(page)
    frames(page, "four views")
    page.keyboard.press("v")
    frames(seen(page), "one view")
    window.close()


def frames(page: Page, what: str) -> None:
    view = page.locator('.films-view[data-place="RCC"]')
    for start in ("f", "0"):
        page.keyboard.press(start)
        seen(page)
        told: dict[str, Any] = {"f": "the whole film", "0": "1:1"}
        said(f"{what}, {told[start]}, zoom", page.evaluate(FRAMES, ["RCC", "zoom"]))
        seen(page)
        view.hover()
        page.mouse.down(button="right")
        said(f"{what}, {told[start]}, window", page.evaluate(FRAMES, ["RCC", "window"]))
        page.mouse.up(button="right")
        seen(page)
