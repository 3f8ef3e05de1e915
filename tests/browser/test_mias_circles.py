"""The 111 films of mini-MIAS: map, circle and film coincide to the pixel at every zoom, read back from the canvas."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from explain_core.data.images import read_picture
from explain_core.dicom.decode import Decoder
from explain_core.films.importing import import_folder
from explain_core.films.pictures import stored_greys
from explain_core.films.record import find, pixel_hash
from tests.browser.conftest import PATIENCE, ROOT, check_log, free_port, wait_for
from tests.browser.test_review import canvas, compare, greys_of, lies, seen, stored_at, view_at

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DATA = Path(os.environ.get("RHOSCOPE_TEST_DATA") or ROOT.parent / "shared" / "data") / "mias"
CIRCLE = """
() => {
  const [path, view] = [".films-ellipse path", ".films-view"].map((name) => document.querySelector(name));
  const [box, frame] = [path.getBoundingClientRect(), view.getBoundingClientRect()];
  return [box.left - frame.left, box.top - frame.top, box.width, box.height];
}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All films, and the first circle of each."""
    if not DATA.is_dir():
        pytest.skip("mini-MIAS is not here: its folder would be mias in RHOSCOPE_TEST_DATA")
    made = tmp_path_factory.mktemp("mias")
    with Decoder() as decoder:
        done = import_folder(DATA / "png", made / "films", b"k" * 32, decoder)
    names = {record.sha256: record.film for record in done.films}
    circles: dict[str, Any] = {}
    with (DATA / "annotations.csv").open() as file:
        for row in csv.DictReader(file):
            stored, _ = stored_greys(read_picture(DATA / row["file"]).pixels[0])
            told = [row["x"], row["y_image"], row["radius"]]
            x, y, radius = map(float, told) if all(told) else (0.0, 0.0, 0.0)
            circles.setdefault(names[pixel_hash(stored)], [x + 0.5, y + 0.5, radius] if radius else None)
    (made / "circles.json").write_text(json.dumps(circles))
    return made


@pytest.fixture(scope="module")
def page(chromium: Browser, home: Path) -> Iterator[Page]:
    port, log = free_port(), home / "log"
    command = [sys.executable, "-m", "streamlit", "run", str(Path(__file__).with_name("films_page.py")),
               "--server.port", str(port), "--server.headless", "true"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FILMS_HOME": str(home), "RHOSCOPE_HOME": str(home)}
    with log.open("w") as out, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out) as served:
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", served)
            window = chromium.new_context(viewport={"width": 1000, "height": 900})
            window.set_default_timeout(PATIENCE * 1000)
            opened = window.new_page()
            opened.goto(f"http://127.0.0.1:{port}")
            yield seen(opened)
            window.close()
        finally:
            served.terminate()
    check_log(log)


def agrees(page: Page, home: Path, name: str, circle: list[float]) -> float:
    """Film, map and circle at the zoom as it is, which is returned."""
    film = find(home / "films", name).open(home / "films")
    lie, above = lies(page, "film"), canvas(page, "film", 1)[..., 3] > 0
    rows, columns = stored_at(lie, film.size, above.shape)
    x, y, radius = circle
    away = np.hypot.outer(rows - y, columns - x) - radius  # of each pixel's middle from the circle, in stored pixels
    if lie["scale"] >= 1:
        compare(page, "film", greys_of(film))
        nearest = np.hypot.outer(np.floor(rows) + 0.5 - y, np.floor(columns) + 0.5 - x) <= radius
        there = np.outer((rows >= 0) & (rows < film.size[0]), (columns >= 0) & (columns < film.size[1]))
        assert np.array_equal(above, nearest & there)
    else:
        certain = np.abs(away) * lie["scale"] > 1.5
        there = np.outer((rows > 0) & (rows < film.size[0]), (columns > 0) & (columns < film.size[1]))
        assert np.array_equal((above & there)[certain], ((away <= 0) & there)[certain])
    left, top, width, height = page.evaluate(CIRCLE)
    assert [width, height] == pytest.approx([2 * radius * lie["scale"]] * 2, abs=0.5)
    hung = film.size[1] - x if lie["flip_x"] else x
    centre = [left + width / 2, top + height / 2]
    assert centre == pytest.approx([lie["x"] + lie["scale"] * hung, lie["y"] + lie["scale"] * y], abs=0.5)
    return float(lie["scale"])


def wheel_at(page: Page, name: str, circle: list[float], by: float) -> None:
    """Zooms with the wheel over the circle's middle."""
    lie, box = lies(page, "film"), view_at(page, "film").bounding_box()
    assert box
    hung = 1024 - circle[0] if lie["flip_x"] else circle[0]
    at = [lie[axis] + lie["scale"] * value for axis, value in (("x", hung), ("y", circle[1]))]
    page.mouse.move(box["x"] + min(max(at[0], 1), box["width"] - 2), box["y"] + min(max(at[1], 1), box["height"] - 2))
    page.mouse.wheel(0, by)
    page.wait_for_function(
        "before => document.querySelector('.films').rhoscope.views()[0].scale !== before", arg=lie["scale"]
    )
    seen(page)


@pytest.mark.timeout(3600)
def test_map_circle_and_film_coincide_at_every_zoom(page: Page, home: Path) -> None:
    circles = json.loads((home / "circles.json").read_text())
    assert len(circles) == 110  # two of the 111 files hold the same picture
    zooms = set()
    for number, (name, circle) in enumerate(circles.items()):
        box = page.get_by_role("spinbutton", name="Number")
        box.fill(str(number))
        box.press("Enter")
        expect(view_at(page, "film")).to_contain_text(name)
        view_at(page, "film").focus()
        page.keyboard.press("f")
        seen(page)
        if circle is None:
            page.keyboard.press("0")
            seen(page)
            compare(page, "film", greys_of(find(home / "films", name).open(home / "films")))
            continue
        zooms.add(agrees(page, home, name, circle))
        for by in (120, -400, -200, -350, -500):
            wheel_at(page, name, circle, by)
            zooms.add(agrees(page, home, name, circle))
        page.keyboard.press("0")
        zooms.add(agrees(seen(page), home, name, circle))
    drawn = sum(one is not None for one in circles.values())
    print(f"{drawn} circles at {len(zooms)} zooms, {min(zooms):.2f} to {max(zooms):.2f}")
