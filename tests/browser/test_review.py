"""The Review page in a real browser: canvases read back, against the formulas of explain_core and numpy."""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Locator, Page, expect
from scipy import ndimage

from explain_core.dicom.film import Film
from explain_core.dicom.transforms import grey_table
from explain_core.films.record import records
from explain_core.shapes import Box, Ellipse, Freehand, shape_of
from tests.browser.conftest import LOOKS, PATIENCE, Served, at_rest, check_log
from tests.browser.films_study import HIGH, WIDE, open_up, study
from tests.browser.test_in_chromium import serious

pytestmark = pytest.mark.browser
Greys = NDArray[np.uint8]
Regions = dict[str, list[dict[str, Any]]]
READ = """
(place, number) => {
  const canvas = document.querySelectorAll(`.films-view[data-place="${place}"] canvas`)[number];
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let text = "";
  for (let at = 0; at < data.length; at += 32768) text += String.fromCharCode(...data.subarray(at, at + 32768));
  return { width, height, data: btoa(text) };
}
"""
"""A view's canvas: 0 the film, 1 what lies over it."""


@pytest.fixture(scope="module")
def served(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    open_up(home, study(tmp_path_factory.mktemp("study")))
    made = Served(home, "")
    made.start()
    yield made
    made.stop()
    check_log(home / "app.log")


@pytest.fixture(scope="module")
def films(served: Served) -> dict[str, Film]:
    return {record.label: record.open(served.home / "films") for record in records(served.home / "films")}


@pytest.fixture
def sit_down(chromium: Browser, served: Served) -> Iterator[Callable[..., Page]]:
    windows = []

    def opened(*, width: int = 1440, height: int = 900, scheme: str = "light", **more: Any) -> Page:
        window = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **more)  # type: ignore[arg-type]
        window.set_default_timeout(PATIENCE * 1000)
        windows.append(window)
        page = window.new_page()
        page.goto(f"http://127.0.0.1:{served.port}/review")
        page.locator(".films").first.wait_for()
        at_rest(page)
        expect(page.locator(".films")).to_have_count(1)
        return seen(page)

    yield opened
    for window in windows:
        window.close()


def seen(page: Page) -> Page:
    """Once everything that is looked at has come and is drawn."""
    page.wait_for_function("document.querySelector('.films')?.rhoscope?.idle()")
    return page


def press(page: Page, *keys: str) -> Page:
    for key in keys:
        page.keyboard.press(key)
    return seen(page)


def canvas(page: Page, place: str, number: int = 0) -> Greys:
    """(h, w, 4) as it stands there."""
    read = page.evaluate(f"([place, number]) => ({READ})(place, number)", [place, number])
    return np.frombuffer(base64.b64decode(read["data"]), np.uint8).reshape(read["height"], read["width"], 4)


def lies(page: Page, place: str) -> dict[str, Any]:
    """How a film lies on its canvas."""
    views = page.evaluate("document.querySelector('.films').rhoscope.views()")
    return next(dict(view) for view in views if view["place"] == place)


def view_at(page: Page, place: str) -> Locator:
    return page.locator(f'.films-view[data-place="{place}"]')


def stored_at(lie: dict[str, Any], size: tuple[int, int], shape: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows and columns of the stored grid under the middles of a canvas's pixels, as numbers with fractions."""
    rows, columns = (
        (np.arange(count) + 0.5 - lie[axis]) / lie["scale"] for count, axis in zip(shape, "yx", strict=False)
    )
    return size[0] - rows if lie["flip_y"] else rows, size[1] - columns if lie["flip_x"] else columns


def greys_of(shown: Film, inverted: bool = False, voi: Any = None) -> NDArray[Any]:
    """(h, w) 0 … 255 as explain_core shows it, padding black."""
    low, greys = grey_table(shown, voi)
    made = np.rint(255 * (1 - greys if inverted else greys))[shown.stored.astype(int) - low]
    return np.where(shown.padded(), 0, made)


def compare(page: Page, place: str, expected: NDArray[Any]) -> None:
    """Every pixel of a view at 1:1 or more, also those beside the film."""
    found, lie = canvas(page, place), lies(page, place)
    rows, columns = stored_at(lie, expected.shape, found.shape[:2])
    inside = np.outer((rows >= 0) & (rows < len(expected)), (columns >= 0) & (columns < expected.shape[1]))
    at = np.ix_(
        np.floor(rows).clip(0, len(expected) - 1).astype(int),
        np.floor(columns).clip(0, expected.shape[1] - 1).astype(int),
    )
    assert inside.sum() > 10_000
    assert np.abs(found[..., 0].astype(int) - np.where(inside, expected[at], 0)).max() <= 1
    assert (found[..., 0] == found[..., 2]).all()
    assert (found[..., 3] == 255).all()


def test_at_one_to_one_the_canvas_holds_what_the_standard_says(
    sit_down: Callable[..., Page], films: dict[str, Film]
) -> None:
    page = press(sit_down(), "0")
    for place in ("RCC", "LCC", "RMLO", "LMLO"):
        assert lies(page, place)["scale"] == 1
        compare(page, place, greys_of(films[place]))
    press(page, "i")
    for place in ("LCC", "RMLO"):
        compare(page, place, greys_of(films[place], inverted=True))
    for _ in range(5):
        page.keyboard.press("+")
    compare(seen(page), "LMLO", greys_of(films["LMLO"], inverted=True))


def test_chest_walls_hang_together(sit_down: Callable[..., Page]) -> None:
    page = sit_down()
    flips = {
        place: (lies(page, place)["flip_x"], lies(page, place)["flip_y"]) for place in ("RCC", "LCC", "RMLO", "LMLO")
    }
    assert flips == {"RCC": (False, False), "LCC": (True, False), "RMLO": (True, True), "LMLO": (False, False)}
    for place, inner in {"RCC": -1, "LCC": 0, "RMLO": -1, "LMLO": 0}.items():
        found = canvas(page, place)[..., 0].astype(float)
        quarter = found.shape[1] // 4
        sides = [found[:, :quarter].mean(), found[:, -quarter:].mean()]
        assert sides[inner] > 3 * sides[-1 - inner], place
    expect(view_at(page, "LCC")).to_contain_text("mirrored")
    expect(view_at(page, "RMLO")).to_contain_text("turned by 180°")
    expect(view_at(page, "RCC")).to_contain_text("not mirrored")
    boxes = {place: view_at(page, place).bounding_box() for place in flips}
    assert all(boxes.values())
    assert boxes["RCC"]["x"] < boxes["LCC"]["x"]  # type: ignore[index]
    assert boxes["RCC"]["y"] < boxes["RMLO"]["y"]  # type: ignore[index]


def test_fitted_films_are_mixed_from_their_levels(sit_down: Callable[..., Page], films: dict[str, Film]) -> None:
    page = sit_down()
    for place in ("RCC", "LCC"):
        found, lie = canvas(page, place)[..., 0].astype(float), lies(page, place)
        size = films[place].size
        rows, columns = stored_at(lie, size, found.shape)
        inside = np.ix_((rows > 4) & (rows < size[0] - 4), (columns > 4) & (columns < size[1] - 4))
        blurred = ndimage.gaussian_filter(greys_of(films[place]), 0.5 / lie["scale"])
        there = ndimage.map_coordinates(
            blurred, np.meshgrid(rows - 0.5, columns - 0.5, indexing="ij"), order=1, mode="nearest"
        )
        assert np.abs(found[inside] - there[inside]).mean() < 2
        moved = np.roll(there, 3, axis=1)
        assert np.abs(found[inside] - moved[inside]).mean() > 2 * np.abs(found[inside] - there[inside]).mean()


def test_a_window_by_numbers_by_drag_and_by_presets(sit_down: Callable[..., Page], films: dict[str, Film]) -> None:
    from explain_core.dicom.film import VoiWindow

    page = press(sit_down(), "0")
    page.get_by_label("Window centre").fill("1500")
    page.get_by_label("Window centre").press("Tab")
    page.get_by_label("Window width").fill("800")
    page.get_by_label("Window width").press("Tab")
    compare(seen(page), "RCC", greys_of(films["RCC"], voi=VoiWindow(1500, 800)))
    expect(view_at(page, "RCC")).to_contain_text("C 1500 W 800 LINEAR")
    page.get_by_label("Window", exact=True).select_option(label="Window 2")
    compare(seen(page), "RCC", greys_of(films["RCC"], voi=films["RCC"].facts.vois[1]))
    box = view_at(page, "RCC").bounding_box()
    assert box
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down(button="right")
    page.mouse.move(box["x"] + 100, box["y"] + 60, steps=4)
    page.mouse.up(button="right")
    expect(view_at(page, "RCC")).to_contain_text("C 950 W 500 LINEAR, set by hand")
    compare(seen(page), "RCC", greys_of(films["RCC"], voi=VoiWindow(950, 500)))


def test_zoom_stays_at_the_pointer_and_mirrored_views_move_mirrored(sit_down: Callable[..., Page]) -> None:
    page = press(sit_down(), "0")
    box = view_at(page, "RCC").bounding_box()
    assert box
    before = {place: lies(page, place) for place in ("RCC", "LCC", "RMLO")}
    page.mouse.move(box["x"] + 200, box["y"] + 150)
    page.mouse.wheel(0, -300)
    page.wait_for_function("before => document.querySelector('.films').rhoscope.views()[0].scale > before", arg=1.5)
    after = {place: lies(seen(page), place) for place in before}
    for axis, pointer in (("x", 200), ("y", 150)):
        hung = [(pointer - lie[axis]) / lie["scale"] for lie in (before["RCC"], after["RCC"])]
        assert hung[0] == pytest.approx(hung[1], abs=1)
    assert {lie["scale"] for lie in after.values()} == {after["RCC"]["scale"]}
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 130, steps=3)
    page.mouse.up()
    moved = {place: lies(seen(page), place) for place in before}
    assert [moved[place]["x"] - after[place]["x"] for place in before] == pytest.approx([60, -60, 60], abs=1)
    assert [moved[place]["y"] - after[place]["y"] for place in before] == pytest.approx([-20, -20, -20], abs=1)
    press(page, "t", "+")
    assert lies(page, "RCC")["scale"] > lies(page, "LCC")["scale"] == moved["LCC"]["scale"]


def on_screen(page: Page, place: str, x: float, y: float, size: tuple[int, int]) -> tuple[float, float]:
    """Where a point of the stored grid is on the screen."""
    lie, box = lies(page, place), view_at(page, place).bounding_box()
    assert box
    x, y = size[1] - x if lie["flip_x"] else x, size[0] - y if lie["flip_y"] else y
    return box["x"] + lie["x"] + lie["scale"] * x, box["y"] + lie["y"] + lie["scale"] * y


def drag(page: Page, place: str, *points: tuple[float, float]) -> None:
    """From one point of the stored grid to others."""
    screen = [on_screen(page, place, x, y, (HIGH, WIDE)) for x, y in points]
    page.mouse.move(*screen[0])
    page.mouse.down()
    for x, y in screen[1:]:
        page.mouse.move(x, y, steps=4)
    page.mouse.up()


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("RCC", r"^(\d+\.\d) mm at the detector; smaller in the breast$"),
        ("LCC", r"^(\d+\.\d) pixels \(no millimetres are known\)$"),
        ("LMLO", r"^≈ (\d+\.\d) mm, estimated in the breast$"),
    ],
)
def test_a_ruler_says_of_which_plane_its_millimetres_are(sit_down: Callable[..., Page], place: str, told: str) -> None:
    page = sit_down()
    page.keyboard.press("d")
    drag(page, place, (700, 300), (400, 700))
    text = view_at(page, place).locator(".films-ruler text").text_content() or ""
    dx, dy = {"RCC": (60.0, 40.0), "LCC": (300.0, 400.0), "LMLO": (24.0, 32.0)}[place]
    found = re.match(told, text)
    assert found, text
    assert float(found[1]) == pytest.approx(
        np.hypot(dx, dy), abs=2.5 * np.hypot(dx, dy) / 500 / lies(page, place)["scale"]
    )


def drawn(page: Page, tmp_path: Path, until: Callable[[Regions], bool] = lambda _: True) -> Regions:
    """The regions as they are handed out, once they are what is waited for."""
    end = time.monotonic() + PATIENCE
    while True:
        found = downloaded(page, tmp_path)
        if found is not None and (until(found) or time.monotonic() > end):
            return found
        assert time.monotonic() < end
        page.wait_for_timeout(200)


def downloaded(page: Page, tmp_path: Path) -> Regions | None:
    """What is handed out now; None where the page is drawn anew meanwhile, and its file with it."""
    at_rest(page)
    with page.expect_download() as started:
        page.get_by_role("button", name="Download (JSON)").click()
    if started.value.failure():
        return None
    started.value.save_as(tmp_path / "regions.json")
    return dict(json.loads((tmp_path / "regions.json").read_text()))


def test_regions_are_drawn_pulled_moved_and_deleted(
    sit_down: Callable[..., Page], served: Served, tmp_path: Path
) -> None:
    page = sit_down()
    names = {record.label: record.film for record in records(served.home / "films")}
    page.keyboard.press("e")
    drag(page, "LCC", (300, 400), (500, 700))
    page.keyboard.press("x")
    drag(page, "RMLO", (200, 300), (600, 500))
    page.keyboard.press("z")
    drag(page, "RCC", (600, 300), (900, 300), (900, 600), (600, 600))
    expect(page.get_by_text("3 regions are drawn")).to_be_visible()
    regions = {
        film: [shape_of({k: v for k, v in one.items() if k != "id"}) for one in some]
        for film, some in drawn(page, tmp_path).items()
    }
    near = 2 / lies(page, "RCC")["scale"]
    [ellipse], [box], [hand] = (regions[names[place]] for place in ("LCC", "RMLO", "RCC"))
    assert isinstance(ellipse, Ellipse)
    assert [ellipse.cx, ellipse.cy, ellipse.rx, ellipse.ry] == pytest.approx([400, 550, 100, 150], abs=near)
    assert isinstance(box, Box)
    assert [box.left, box.top, box.right, box.bottom] == pytest.approx([200, 300, 600, 500], abs=near)
    assert isinstance(hand, Freehand)
    points = np.array(hand.points)
    assert np.concatenate([points.min(0), points.max(0)]) == pytest.approx([600, 300, 900, 600], abs=near)
    drag(page, "RMLO", (600, 500), (700, 600))
    page.keyboard.press("ArrowLeft")  # in a film that is turned: to the right in the stored grid
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator(".films-said")).to_contain_text("Box around")

    def moved(regions: Regions) -> bool:
        box = regions[names["RMLO"]][0]["box"]
        return bool(box["right"] > 700 and box["bottom"] > 600)

    [pulled] = drawn(page, tmp_path, moved)[names["RMLO"]]
    assert pulled["box"]["right"] > 700
    assert pulled["box"]["left"] > 200
    assert pulled["box"]["bottom"] > 600
    view_at(page, "RMLO").locator(".films-shape").focus()
    page.keyboard.press("Delete")
    expect(page.get_by_text("2 regions are drawn")).to_be_visible()


def test_everything_goes_by_keys(sit_down: Callable[..., Page], served: Served, tmp_path: Path) -> None:
    page = sit_down()
    page.keyboard.press("ArrowRight")
    expect(view_at(page, "LCC")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(view_at(page, "LMLO")).to_be_focused()
    page.keyboard.press("v")
    expect(view_at(page, "RCC")).to_be_hidden()
    alone, room = view_at(page, "LMLO").bounding_box(), page.locator(".films-views").bounding_box()
    assert alone
    assert room
    assert [alone[side] for side in ("width", "height")] == pytest.approx([room["width"], room["height"]], abs=8)
    page.keyboard.press("v")
    page.keyboard.press("e")
    page.keyboard.press("Enter")
    for key in ("ArrowUp", "Shift+ArrowRight", "PageDown"):
        page.keyboard.press(key)
    expect(page.get_by_text("1 regions are drawn")).to_be_visible()

    def turned(regions: Regions) -> bool:
        [[one]] = regions.values()
        return bool(one["ellipse"]["angle"] == 5)

    [[one]] = drawn(page, tmp_path, turned).values()
    ellipse = shape_of({"ellipse": one["ellipse"]})
    assert isinstance(ellipse, Ellipse)
    assert ellipse.angle == 5
    assert ellipse.rx > ellipse.ry
    view_at(page, "LMLO").focus()
    page.keyboard.press("m")
    expect(view_at(page, "LMLO").locator(".films-lens")).to_be_visible()
    page.keyboard.press("k")
    expect(page.get_by_text("views together or each by itself")).to_be_visible()
    page.get_by_label("Window centre").fill("12")
    page.get_by_label("Window centre").press("i")
    expect(page.get_by_role("button", name="Invert")).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_it_is_legible_and_fits(sit_down: Callable[..., Page], scheme: str, width: int) -> None:
    page = sit_down(width=width, scheme=scheme)
    at_rest(page)
    if shots := os.environ.get("RHOSCOPE_SCREENSHOTS"):
        page.screenshot(path=Path(shots) / f"review-{scheme}-{width}.png")
    assert serious(page) == []
    assert (
        page.evaluate("document.querySelector('.stMain').scrollWidth - document.querySelector('.stMain').clientWidth")
        <= 0
    )
    expect(page.get_by_text("8 bits of grey on an uncalibrated display")).to_be_visible()
    expect(page.locator(".films-caveat")).to_contain_text("Research use only, not for diagnosis")
