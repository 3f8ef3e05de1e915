"""The Review page and what its viewer is given: how films hang, which greys and millimetres they have, what waits."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explain_core.dicom.film import Facts, Lut, Rescale, Spacing, VoiWindow
from explain_core.dicom.transforms import grey_table
from explain_core.films.exams import Exam
from explain_core.films.pyramid import MapRaster, Raster
from explain_core.films.record import CONFIRM, WHOSE, Record, pixel_hash, read, save
from pages.parts.films.data import Hung, Overlay, hung, label, notes, rows_of, viewer_data
from pages.parts.films.reviewing import keep
from tests.pages.fake_engine import Opened

SIZE = (40, 24)
GUESSED = f"a plain picture: its patient and view are guessed by its name, {CONFIRM}"
DOUBTED = f"the file names no patient: {WHOSE}"


def address(raster: Raster) -> str:
    return f"/pixels/{raster.name}"


def values(wall: str, size: tuple[int, int] = SIZE) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Bright towards the chest wall, which lies at this edge."""
    ramp = np.linspace(4000, 0, size[1]).astype(np.uint16)
    return np.tile(ramp if wall == "left" else ramp[::-1], (size[0], 1))


def film(films: Path, place: str, leads: tuple[str, ...], wall: str, **changes: Any) -> Record:
    """A film of 12 bits in the workspace, as an import leaves it."""
    stored = values(wall)
    told = {"vois": (VoiWindow(2000, 1000),), "spacing": Spacing(0.1, 0.2, "calibrated")}
    told |= {
        name: changes.pop(name) for name in list(changes) if name in Facts.__dataclass_fields__ and name != "notes"
    }
    facts = Facts(12, "MONOCHROME2", **{"inverse": False, "rescale": Rescale(), **told})
    facts = replace(facts, laterality=place[:1].strip("?"), view=place[1:].strip("?"), orientation=leads)
    name = f"film{place.strip('?')}"
    made = Record(
        **{
            "film": name, "patient": "P1", "exam": "20190304", "date": "20190304", "state": "ready", "facts": facts,
            "size": SIZE, "sha256": pixel_hash(stored), "file": f"{name}.dcm", "offset": 0, "dtype": "uint16",
            **changes,
        }
    )  # fmt: skip
    save(films, made, stored.tobytes())
    return made


def of(record: Record, *, side: str = "", leads: tuple[str, ...] = ()) -> Record:
    return replace(record, facts=replace(record.facts, laterality=side, orientation=leads))


@pytest.mark.parametrize(
    ("side", "leads", "wall", "expected"),
    [
        ("R", ("P", "L"), "right", Hung()),
        ("L", ("A", "R"), "left", Hung()),
        ("R", ("A", "L"), "left", Hung(mirror=True)),
        ("L", ("P", "R"), "", Hung(mirror=True)),
        ("L", ("P", "HR"), "right", Hung(turn=180)),
        ("L", ("A", "HR"), "left", Hung(mirror=True, turn=180)),
        ("R", (), "left", Hung(True, 0, "orientation not told: hung by where the breast begins")),
        ("R", (), "right", Hung(False, 0, "orientation not told: hung by where the breast begins")),
        ("R", (), "", Hung(note="side of the chest wall not known: hung as stored")),
        ("R", ("F", "L"), "", Hung(note="side of the chest wall not known: hung as stored")),
        ("L", ("P", "R"), "left", Hung(note="orientation and picture disagree: hung as stored")),
        ("", ("P", "L"), "right", Hung(note="laterality not known: hung as stored")),
        ("B", (), "right", Hung(note="laterality not known: hung as stored")),
    ],
)
def test_chest_walls_hang_in_the_middle_and_nothing_is_guessed_in_silence(
    tmp_path: Path, side: str, leads: tuple[str, ...], wall: str, expected: Hung
) -> None:
    assert hung(of(film(tmp_path, "RCC", (), "right"), side=side, leads=leads), wall) == expected


def test_a_film_that_waits_has_a_question_mark_and_says_why(tmp_path: Path) -> None:
    sure = film(tmp_path, "RCC", ("P", "L"), "right")
    assert (label(sure), notes(sure, Hung())) == ("R CC", [])
    guessed = replace(sure, state="unconfirmed", notes=(GUESSED, DOUBTED))
    assert label(guessed) == "R CC ?"
    assert notes(guessed, Hung(note="hung anyhow")) == [f"laterality and view {CONFIRM}", WHOSE, "hung anyhow"]
    odd = replace(sure.facts, intent="processing", modifiers=("spot compression", "rolled lateral"), implant=True)
    said = ["for processing, not for presentation", "spot compression", "breast implant"]
    assert notes(replace(sure, facts=odd), Hung()) == said


def exam(*films: Record) -> Exam:
    return Exam("P1", "20190304", "20190304", films)


def test_views_hang_right_before_left_above_mlo(tmp_path: Path) -> None:
    four = [film(tmp_path, place, (), "") for place in ("LMLO", "RCC", "LCC", "RMLO")]
    placed = rows_of(exam(*four), {}, None, [])
    assert [[place for place, _ in row] for row in placed] == [["RCC", "LCC"], ["RMLO", "LMLO"]]
    assert all(record and record.label == place for row in placed for place, record in row)


def test_a_prior_exam_hangs_beside_and_other_films_below(tmp_path: Path) -> None:
    now, before = film(tmp_path, "RCC", (), ""), film(tmp_path, "LCC", (), "")
    other, second = film(tmp_path, "RXCCL", (), ""), replace(now, film="second")
    placed = rows_of(exam(now, other, second), {"RCC": second}, exam(before), [other])
    assert [[place for place, _ in row] for row in placed] == [
        ["RCC", "LCC", "RCC prior", "LCC prior"], ["filmRXCCL", "", "", ""]
    ]  # fmt: skip
    assert placed[0][0][1] is second
    assert placed[0][1][1] is None


def data_of(films: Path, record: Record, **more: Any) -> dict[str, Any]:
    [view] = viewer_data([[("RCC", record)]], films, address, **more)["views"]
    return dict(view)


def array(text: str, kind: str) -> Any:
    return np.frombuffer(base64.b64decode(text), kind)


def test_the_viewer_is_given_the_film_and_its_windows(tmp_path: Path) -> None:
    view = data_of(tmp_path, film(tmp_path, "RCC", ("P", "L"), "right", padding=(0, 30), inverse=True))
    assert view["size"] == SIZE
    assert view["levels"] == (SIZE,)
    assert view["address"] == f"/pixels/{view['id']}"
    assert view["modality"] == {"slope": 1.0, "intercept": 0.0, "low": 0}
    assert (view["values"], view["inverse"], view["padding"]) == (4096, True, [0, 30])
    assert view["spacing"] == {"row": 0.1, "column": 0.2, "kind": "calibrated"}
    assert view["presets"][0] == {"name": "", "center": 2000, "width": 1000, "function": "LINEAR"}
    whole = view["presets"][-1]
    there = values("right")[values("right") > 30]  # without padding
    assert (whole["center"], whole["width"]) == ((int(there.min()) + 4000) / 2, 4000 - int(there.min()))


def test_a_table_of_values_of_interest_is_given_as_greys_before_they_are_inverted(tmp_path: Path) -> None:
    table = Lut(tuple(range(0, 4096)), 0, 12, "HARDER")
    made = film(tmp_path, "RCC", ("P", "L"), "right", vois=(table,), inverse=True)
    preset = data_of(tmp_path, made)["presets"][0]
    assert preset["name"] == "harder"
    _, shown = grey_table(made.open(tmp_path), table)
    assert np.array_equal(255 - array(preset["greys"], "u1"), np.rint(shown * 255))
    assert preset["near"]["center"] == pytest.approx(2047.5, abs=1)
    assert preset["near"]["width"] == pytest.approx(0.96 * 4095, rel=0.01)


def test_a_modality_table_and_signed_values_are_given_from_the_lowest_on(tmp_path: Path) -> None:
    table = Lut(tuple(int(value) for value in np.arange(4096)[::-1]), 0, 12)
    view = data_of(tmp_path, film(tmp_path, "RCC", ("P", "L"), "right", rescale=table))
    assert np.array_equal(array(view["modality"]["table"], "<f4"), np.arange(4096)[::-1])


def test_an_overlay_says_what_it_covers(tmp_path: Path) -> None:
    made = film(tmp_path, "RCC", ("P", "L"), "right")
    colours = np.arange(1024).reshape(256, 4).astype(np.uint8)
    over = Overlay("Grad-CAM", MapRaster(np.ones((4, 4), np.float32)), (2.0, 3.0, 16.0, 16.0), colours, "resized")
    [told] = data_of(tmp_path, made, overlays={made.film: [over]})["overlays"]
    assert (told["name"], told["box"], told["size"], told["mapping"]) == (
        "Grad-CAM",
        (2.0, 3.0, 16.0, 16.0),
        (4, 4),
        "resized",
    )
    assert np.array_equal(array(told["colours"], "u1").reshape(256, 4), colours)


@pytest.fixture
def page(opened: Opened, home: Path) -> Callable[[], AppTest]:
    def shown() -> AppTest:
        app = opened()
        app.switch_page("pages/review.py").run()
        assert not app.exception
        return app

    return shown


def test_without_films_the_page_says_how_they_come(page: Callable[[], AppTest]) -> None:
    assert "rhoscope dicom import" in page().info[0].value


def test_a_film_is_confirmed_on_the_page(page: Callable[[], AppTest], home: Path) -> None:
    made = film(home / "films", "R?", ("P",), "right", state="unconfirmed", notes=(GUESSED, DOUBTED))
    app = page()
    assert app.selectbox(key="review-exam").options == ["P1 · 2019-03-04 · R? · 1 to be confirmed"]
    assert "R ? ?" in app.markdown[-1].value
    side, view = app.selectbox[1:]
    assert (side.value, view.value) == ("R", None)
    app.button[0].click().run()
    assert "no laterality or no view" in app.error[0].value
    app.selectbox[1].select("L")
    app.selectbox[2].select("MLO")
    app.button[0].click().run()
    kept = read(made.path(home / "films"))
    assert (kept.label, kept.state) == ("LMLO", "unconfirmed")
    app.checkbox[0].check()
    app.button[0].click().run()
    assert read(made.path(home / "films")).state == "ready"
    assert not app.exception
    assert not app.button


def test_what_is_in_quarantine_is_counted_and_not_shown(page: Callable[[], AppTest], home: Path) -> None:
    film(home / "films", "RCC", ("P", "L"), "right")
    film(home / "films", "LCC", ("A", "R"), "left", state="quarantined")
    app = page()
    assert any("1 film is in quarantine" in caption.value for caption in app.caption)
    assert app.selectbox(key="review-exam").options == ["P1 · 2019-03-04 · RCC"]


def test_a_damaged_film_is_a_message_and_the_rest_is_shown(page: Callable[[], AppTest], home: Path) -> None:
    made = film(home / "films", "RCC", ("P", "L"), "right")
    film(home / "films", "L?", ("A", "R"), "left", state="unconfirmed", notes=(GUESSED,))
    (made.folder(home / "films") / made.file).write_bytes(b"cut")
    app = page()
    assert [error.value for error in app.error] == ["Film filmRCC: its file is gone or cut off; import it again."]
    assert "L ? ?" in app.markdown[-1].value


def test_regions_of_strange_films_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import streamlit as st

    drawn = [{"id": "1", "ellipse": {"cx": 1, "cy": 1, "rx": 1, "ry": 1, "angle": 0}}]
    state: dict[str, Any] = {"films": {"act": {"regions": {"filmRCC": drawn, "strange": drawn}}}}
    monkeypatch.setattr(st, "session_state", state)
    keep("films", exam(film(tmp_path, "RCC", (), "")))
    assert state["review-regions"] == {"filmRCC": drawn}
