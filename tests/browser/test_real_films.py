"""The seven real films at hand on the Review page: every pixel of the canvas, the hanging, and the test card's ruler.

`RHOSCOPE_SCREENSHOTS=DIR` keeps pictures of the page; they show films that must not be handed on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from pydicom.pixels import apply_voi

from explain_core.films.record import Record, pixel_hash, records
from tests.browser.conftest import PATIENCE, Served, at_rest, check_log
from tests.browser.films_study import open_up
from tests.browser.test_in_chromium import serious
from tests.browser.test_review import canvas, compare, lies, on_screen, press, seen, stored_at, view_at

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FFDM = {"RCC": "R-CC.png", "LCC": "L-CC.png", "RMLO": "R-MLO.png", "LMLO": "L-MLO.png"}
TABLES, JPEG2000, CARD = "dcm01.DCM", "462822612.dcm", "notzaki_MG.dcm"
PLACES = {TABLES: "RCC", JPEG2000: "LCC", CARD: "RCC"}
LOOKS = [("light", 1440), ("dark", 900)]
Greys = NDArray[np.float64]


@pytest.fixture(scope="module")
def served(chromium: Browser, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    pytest.importorskip("gdcm", reason="JPEG Lossless needs the extra [jpeg-lossless]")
    for folder in ("dicom", "ffdm"):
        if not (shared_data / folder).is_dir():
            pytest.skip(f"the real films are not here: their folder would be {folder} in RHOSCOPE_TEST_DATA")
    home = tmp_path_factory.mktemp("home")
    for folder in ("dicom", "ffdm"):
        open_up(home, shared_data / folder)
    made = Served(home, "")
    made.start()
    yield made
    made.stop()
    check_log(home / "app.log")


@pytest.fixture
def sit_down(chromium: Browser, served: Served) -> Iterator[Callable[..., Page]]:
    """The page with the exam of a film, once all of it is drawn."""
    windows = []

    def opened(film: Record, *, width: int = 1440, height: int = 900, scheme: str = "light") -> Page:
        window = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
        window.set_default_timeout(PATIENCE * 1000)
        windows.append(window)
        page = window.new_page()
        page.goto(f"http://127.0.0.1:{served.port}/review")
        page.locator(".films").first.wait_for()
        at_rest(page)
        page.get_by_role("combobox", name="Exam").click()
        page.get_by_role("option", name=re.compile(film.patient)).click()
        page.locator(".films-view", has_text=film.film).wait_for()
        at_rest(page)  # until then the exam before may still be there
        expect(page.locator(".films")).to_have_count(1)
        return seen(page)

    yield opened
    for window in windows:
        window.close()


def record_of(served: Served, stored: NDArray[Any]) -> Record:
    """The film with these pixels."""
    (found,) = (one for one in records(served.home / "films") if one.sha256 == pixel_hash(stored))
    return found


def shown_by_others(path: Path) -> tuple[NDArray[Any], Greys]:
    """Stored values, and how bright they are by highdicom, or by pydicom where highdicom refuses: 0 … 255.

    The plain pictures have no window: by numpy, from their lowest to their highest value.  Padding is black.
    """
    if path.suffix == ".png":
        stored = np.asarray(Image.open(path))
        return stored, 255 * (stored - float(stored.min())) / float(np.ptp(stored) or 1)
    told = pydicom.dcmread(path)
    stored = told.pixel_array
    if path.name == TABLES:  # tables of 12 bits
        greys = apply_voi(stored, told, 0) / 4095
    else:
        import highdicom

        greys = highdicom.imread(path).get_frame(1, apply_voi_transform=True, apply_presentation_lut=True)
    return stored, np.where(stored == told.get("PixelPaddingValue", -1), 0, 255 * greys)


def drag_to(page: Page, place: str, wanted: dict[str, float]) -> None:
    """Moves a film until its corner lies at these pixels of the canvas, or as near as it may be moved."""
    before = None
    while (lie := lies(page, place)) != before:
        before, box = lie, view_at(page, place).bounding_box()
        assert box
        far = {"x": box["width"] - 80, "y": box["height"] - 80}
        by = {axis: max(-far[axis], min(far[axis], wanted[axis] - lie[axis])) for axis in "xy"}
        middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        page.mouse.move(*(middle[axis] - by[axis] / 2 for axis in "xy"))
        page.mouse.down()
        page.mouse.move(*(middle[axis] + by[axis] / 2 for axis in "xy"), steps=2)
        page.mouse.up()
        seen(page)


def compare_all(page: Page, place: str, expected: Greys) -> int:
    """Every pixel of the film at 1:1, part after part; how many parts there were."""
    press(page, "0")
    met, parts = np.zeros(expected.shape, bool), 0
    high, wide = canvas(page, place).shape[:2]
    for top in range(0, len(expected), high - 40):
        for left in range(0, expected.shape[1], wide - 40):
            drag_to(page, place, {"x": -left, "y": -top})
            lie = lies(page, place)
            assert lie["scale"] == pytest.approx(1)
            compare(page, place, expected)
            rows, columns = (np.floor(at).astype(int) for at in stored_at(lie, expected.shape, (high, wide)))
            met[np.ix_(rows[(rows >= 0) & (rows < len(expected))],
                       columns[(columns >= 0) & (columns < expected.shape[1])])] = True  # fmt: skip
            parts += 1
    assert met.all()
    return parts


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", [*FFDM.values(), *PLACES])
def test_every_pixel_is_as_others_show_it(
    sit_down: Callable[..., Page], served: Served, shared_data: Path, name: str
) -> None:
    path = shared_data / ("ffdm" if name in FFDM.values() else "dicom") / name
    stored, expected = shown_by_others(path)
    film = record_of(served, stored)
    assert film.label == {**PLACES, **{file: place for place, file in FFDM.items()}}[name]
    page = sit_down(film, width=1600, height=1500)
    view_at(page, film.label).focus()
    parts = compare_all(press(page, "v"), film.label, expected)
    print(f"{name}: {stored.shape[1]} × {stored.shape[0]} pixels in {parts} parts")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_four_views_hang_whole_with_their_chest_walls_together(
    sit_down: Callable[..., Page], served: Served, shared_data: Path, scheme: str, width: int
) -> None:
    stored = {place: shown_by_others(shared_data / "ffdm" / file)[0] for place, file in FFDM.items()}
    page = sit_down(record_of(served, stored["RCC"]), width=width, scheme=scheme)
    kept(page, f"ffdm-{scheme}-{width}")
    boxes = {place: view_at(page, place).bounding_box() or {} for place in FFDM}
    for right, left in (("RCC", "LCC"), ("RMLO", "LMLO")):
        assert boxes[right]["x"] < boxes[left]["x"]
        assert boxes[right]["y"] == boxes[left]["y"]
    assert boxes["RCC"]["y"] < boxes["RMLO"]["y"]
    for place, values in stored.items():
        lie, (high, wide) = lies(page, place), canvas(page, place).shape[:2]
        assert min(lie["x"], lie["y"]) >= -1
        assert lie["x"] + lie["scale"] * values.shape[1] <= wide + 1
        assert lie["y"] + lie["scale"] * values.shape[0] <= high + 1
        found = canvas(page, place)[..., 0].astype(float)
        outer, inner = (found[:, : wide // 4].mean(), found[:, -wide // 4 :].mean())[:: 1 if place[0] == "R" else -1]
        assert inner > 3 * outer, place
        expect(view_at(page, place).locator(".films-marker")).to_contain_text(f"{place[0]} {place[1:]}")
    assert serious(page) == []


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
@pytest.mark.parametrize("name", PLACES)
def test_films_of_the_dicom_files_hang_whole(
    sit_down: Callable[..., Page], served: Served, shared_data: Path, name: str, scheme: str, width: int
) -> None:
    stored, _ = shown_by_others(shared_data / "dicom" / name)
    page, place = sit_down(record_of(served, stored), width=width, scheme=scheme), PLACES[name]
    kept(page, f"{Path(name).stem}-{scheme}-{width}")
    lie, (high, wide) = lies(page, place), canvas(page, place).shape[:2]
    assert min(lie["x"], lie["y"]) >= -1
    assert lie["x"] + lie["scale"] * stored.shape[1] <= wide + 1
    assert lie["y"] + lie["scale"] * stored.shape[0] <= high + 1


def kept(page: Page, name: str) -> None:
    if shots := os.environ.get("RHOSCOPE_SCREENSHOTS"):
        page.screenshot(path=Path(shots) / f"{name}.png")


def test_the_cards_ruler_goes_by_its_own_spacing(
    sit_down: Callable[..., Page], served: Served, shared_data: Path
) -> None:
    """By mouse: the bar that the card says is 50 mm long, calibrated; and other ways across it, upright and aslant."""
    told = pydicom.dcmread(shared_data / "dicom" / CARD)
    down, across = map(float, told.PixelSpacing)
    assert (down, across) != tuple(map(float, told.ImagerPixelSpacing))
    film = record_of(served, told.pixel_array)
    page = press(sit_down(film), "0")
    bar = np.flatnonzero(told.pixel_array[409] > 127)[[0, -1]] + 0.5
    ways = [((bar[0], 409.5), (bar[1], 409.5)), ((100, 150), (100, 350)), ((120, 160), (420, 330))]
    for number, (a, b) in enumerate(ways):
        view_at(page, film.label).focus()
        page.keyboard.press("d")
        screen = [on_screen(page, film.label, *point, film.size) for point in (a, b)]
        page.mouse.move(*screen[0])
        page.mouse.down()
        page.mouse.move(*screen[1], steps=4)
        page.mouse.up()
        text = view_at(page, film.label).locator(".films-ruler text").nth(number).text_content() or ""
        found = re.fullmatch(r"(\d+\.\d) mm, calibrated", text)
        assert found, text
        wanted = np.hypot(down * (b[1] - a[1]), across * (b[0] - a[0])) if number else 50
        print(f"{text}; wanted {wanted:.2f} mm")
        assert float(found[1]) == pytest.approx(wanted, abs=down * 2 / lies(page, film.label)["scale"] + 0.05)
    kept(page, "card-rulers")
