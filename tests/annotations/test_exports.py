"""What raters draw and what they accept, as files that other readers take."""

from __future__ import annotations

import json
import math
import secrets
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotations.adjudication import Adjudications
from annotations.bundle import read_bundle
from annotations.campaigns import Campaigns, Plan
from annotations.database import Database, open_database
from annotations.export import export, read_labels
from annotations.folder import export_folder
from annotations.importing import import_labels
from annotations.people import People
from annotations.questions import QUESTIONS
from annotations.queue import Queue
from annotations.shapes import check_shapes, ellipse_of
from explain_core.data.sources import load_data
from explain_core.errors import InputError, OutputError
from explain_core.shapes import Ellipse
from tests.annotations.bundles import item, picture, write_bundle

DRAWN = {"ellipse": {"cx": 16, "cy": 12, "rx": 8, "ry": 4, "angle": 0}}


@pytest.fixture
def database(tmp_path: Path) -> Database:
    opened = open_database(f"sqlite:///{tmp_path / 'labels.db'}")
    People(opened).add("ada", "admin")
    return opened


def begun(database: Database, folder: Path, *items: dict[str, Any], question: str = "unchanged") -> Queue:
    items = tuple({**one, "pictures": item(one["name"], question=question)["pictures"]} for one in items)
    bundle = read_bundle(write_bundle(folder, items, png=True, question=question))
    Campaigns(database).create("cats", bundle, by="ada", plan=Plan(1, 1))
    return Queue(database)


def answer(queue: Queue, *answers: str, shapes: dict[str, Any] | None = None) -> None:
    for one in answers:
        task = queue.next("cats", "ada")
        assert task is not None
        queue.answer(task.token, one, secrets.token_hex(4), shapes=shapes)


def test_an_ellipse_becomes_a_mask_of_its_area(database: Database, tmp_path: Path) -> None:
    """8 × 4 pixels of half-axes: π·32 = 100.5, and the polygon of 32 corners 0.64 % less."""
    dog = {**item("b"), "class": "dog"}
    queue = begun(database, tmp_path / "bundle", item("a"), dog, item("c"), question="right-thing")
    answer(queue, "right", shapes=DRAWN)
    answer(queue, "partly")
    told = json.loads(export(database, "cats", "coco"))
    assert [(one["file_name"], one["width"], one["height"]) for one in told["images"]] == [
        ("pictures/a-original.png", 32, 24), ("pictures/b-original.png", 32, 24),
    ]  # fmt: skip
    assert [one["name"] for one in told["categories"]] == ["cat", "dog"]
    (drawn,) = told["annotations"]
    assert drawn["bbox"] == [8, 8, 16, 8]
    assert drawn["area"] == pytest.approx(16 * math.sin(math.pi / 16) * 32, abs=1e-3)
    assert len(drawn["segmentation"][0]) == 64
    assert (drawn["rater"], drawn["answer"], drawn["iscrowd"]) == ("ada", "right", 0)
    (tmp_path / "bundle/drawn.json").write_text(json.dumps(told))
    read = load_data(f"coco:{tmp_path / 'bundle/drawn.json'}")
    marked = read.items[0].annotation
    assert marked is not None
    mask = marked.regions[0].mask((24, 32))
    assert int(np.sum(mask)) == pytest.approx(100, abs=6)
    assert mask[12, 16]
    assert mask[12, 23]
    assert not mask[17, 16]


def test_an_ellipse_that_was_taken_back_is_gone(database: Database, tmp_path: Path) -> None:
    queue = begun(database, tmp_path / "bundle", item("a"), question="right-thing")
    answer(queue, "right", shapes=DRAWN)
    queue.undo("cats", "ada")
    assert json.loads(export(database, "cats", "coco")) == {"annotations": [], "categories": [], "images": []}


def test_what_was_drawn_is_shown_again_until_it_is_answered_anew(database: Database, tmp_path: Path) -> None:
    queue = begun(database, tmp_path / "bundle", item("a"), item("b"), question="right-thing")
    answer(queue, "right", shapes=DRAWN)
    assert queue.undo("cats", "ada").shapes == DRAWN
    task = queue.next("cats", "ada")  # as after a reload
    assert task is not None
    assert (task.item, task.earlier, task.shapes) == ("a", "right", DRAWN)
    answer(queue, "partly")
    task = queue.next("cats", "ada")
    assert task is not None
    assert (task.item, task.earlier, task.shapes) == ("b", None, {})


def test_a_drawing_is_part_of_the_answer(database: Database, tmp_path: Path) -> None:
    """Sent again it is kept once; another drawing, from a second window, is not thrown away in silence."""
    queue = begun(database, tmp_path / "bundle", item("a"), question="right-thing")
    task = queue.next("cats", "ada")
    assert task is not None
    kept = queue.answer(task.token, "right", "k", shapes=DRAWN)
    assert queue.answer(task.token, "right", "k", shapes=json.loads(json.dumps(DRAWN))) == kept
    assert queue.answer(task.token, "right", "other", shapes=DRAWN) == kept
    with pytest.raises(InputError, match="belongs to another answer"):
        queue.answer(task.token, "right", "k")
    with pytest.raises(InputError, match="with 'right' and another drawing: take that back first"):
        queue.answer(task.token, "right", "other")
    assert [label.shapes for label in read_labels(database, "cats")] == [DRAWN]


def test_a_table_has_an_ellipse_in_columns(database: Database, tmp_path: Path) -> None:
    queue = begun(database, tmp_path / "bundle", item("a"), item("b"), question="right-thing")
    answer(queue, "right", shapes={"ellipse": {**DRAWN["ellipse"], "cx": -2.5}})
    answer(queue, "partly")
    table = export(database, "cats", "csv")
    other = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    People(other).add("ada", "admin")
    Campaigns(other).create("cats", read_bundle(tmp_path / "bundle"), by="ada")
    assert import_labels(other, "cats", table, by="ada").added == 2
    assert import_labels(other, "cats", table, by="ada").known == 2
    assert export(other, "cats", "coco") == export(database, "cats", "coco")
    for broken, why in (
        ("-2.5,,8.0", "five numbers"),
        ("-2.5,up,8.0", "five numbers"),
        ("-2.5,nan,8.0", "cy is no number"),
    ):
        with pytest.raises(InputError, match=f"Line 2: .*{why}"):
            import_labels(other, "cats", table.replace("-2.5,12,8", broken), by="ada")
    with pytest.raises(InputError, match="another answer about a already"):
        import_labels(other, "cats", table.replace("-2.5,12,8", "7,12,8"), by="ada")


def test_a_bundle_that_is_gone_is_told(database: Database, tmp_path: Path) -> None:
    queue = begun(database, tmp_path / "bundle", item("a"))
    answer(queue, "unchanged")
    (tmp_path / "bundle/pictures/a-original.png").write_text("no picture")
    with pytest.raises(InputError, match="it is no picture; put the campaign's bundle back"):
        export(database, "cats", "coco")
    with pytest.raises(InputError, match="did you mean 'coco'"):
        export(database, "cats", "cocos")


@given(
    st.floats(-50, 50), st.floats(-50, 50), st.floats(0.1, 50), st.floats(0.1, 50), st.floats(-360, 360),
    st.integers(3, 40),
)  # fmt: skip
def test_corners_lie_on_the_ellipse(cx: float, cy: float, rx: float, ry: float, angle: float, corners: int) -> None:
    turn = math.radians(angle)
    for x, y in Ellipse(cx, cy, rx, ry, angle).polygon(corners):
        along = (x - cx) * math.cos(turn) + (y - cy) * math.sin(turn)
        across = (y - cy) * math.cos(turn) - (x - cx) * math.sin(turn)
        assert (along / rx) ** 2 + (across / ry) ** 2 == pytest.approx(1, rel=1e-6)


def test_the_angle_turns_clockwise_to_the_eye() -> None:
    assert Ellipse(0, 0, 2, 1, 90).polygon(4)[0] == pytest.approx((0, 2))


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)


@given(st.dictionaries(st.sampled_from(["ellipse", "box"]), st.recursive(
    PLAIN, lambda inner: st.dictionaries(st.sampled_from(["cx", "cy", "rx", "ry", "angle", "x"]), inner), max_leaves=8,
)))  # fmt: skip
def test_whatever_is_sent_is_an_ellipse_or_refused(shapes: dict[str, Any]) -> None:
    try:
        check_shapes(QUESTIONS["right-thing"], shapes)
    except InputError:
        return
    ellipse = ellipse_of(shapes)
    assert (ellipse is None) == (shapes == {})
    assert ellipse is None or (ellipse.rx > 0 and math.isfinite(ellipse.cx))


@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        ({"circle": {}}, "is no ellipse"),
        ({"ellipse": {**DRAWN["ellipse"], "rx": 0}}, "half-axes above 0"),
        ({"ellipse": {**DRAWN["ellipse"], "cx": float("nan")}}, "cx is no number"),
        ({"ellipse": {**DRAWN["ellipse"], "cx": 10**400}}, "cx is no number"),
        ({"ellipse": {**DRAWN["ellipse"], "angle": True}}, "angle is no number"),
        ({**DRAWN, "more": {}}, "is no ellipse"),
        ({"ellipse": [1, 2, 3, 4, 5]}, "is no ellipse"),
    ],
)
def test_a_bad_ellipse_comes_in_nowhere(database: Database, tmp_path: Path, shapes: dict[str, Any], why: str) -> None:
    queue = begun(database, tmp_path / "bundle", item("a"), question="right-thing")
    with pytest.raises(InputError, match=why):
        answer(queue, "right", shapes=shapes)
    answer(queue, "right", shapes=DRAWN)
    told = json.loads(export(database, "cats", "jsonl"))
    other = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    People(other).add("eve", "admin")
    Campaigns(other).create("cats", read_bundle(tmp_path / "bundle"), by="eve")
    with pytest.raises(InputError, match=f"Line 1: .*{why}"):
        import_labels(other, "cats", json.dumps({**told, "shapes": shapes}), by="eve")
    import_labels(other, "cats", json.dumps(told), by="eve")
    assert read_labels(other, "cats") == read_labels(database, "cats")


def test_where_nothing_is_drawn_shapes_are_refused(database: Database, tmp_path: Path) -> None:
    queue = begun(database, tmp_path / "bundle", item("a"))
    with pytest.raises(InputError, match="'unchanged' lets nobody draw"):
        answer(queue, "unchanged", shapes=DRAWN)


def test_accepted_pictures_are_a_data_set(database: Database, tmp_path: Path) -> None:
    """b is not accepted, and c by decision only; odd names of classes and items stay apart and inside."""
    named = [item("a"), item("b"), item("c"), {**item("d"), "class": "../up"}, {**item("e"), "class": ".hidden/x"}]
    queue = begun(database, tmp_path / "bundle", *named)
    answer(queue, "unchanged", "changed", "unsure", "unchanged", "unchanged")
    Adjudications(database).decide("cats", "c", "unchanged", by="ada")
    out = tmp_path / "accepted"
    assert export_folder(database, "cats", out) == 4
    assert {str(path.relative_to(out)) for path in out.rglob("*.png")} == {
        "cat/a.png", "cat/c.png", "%2E.%2Fup/d.png", "%2Ehidden%2Fx/e.png",
    }  # fmt: skip
    assert (out / "cat/a.png").read_bytes() == picture("pictures/a-adversarial.png")
    data = load_data(f"folder:{out}")
    assert len(data.items) == 4
    assert data.classes == ("%2E.%2Fup", "%2Ehidden%2Fx", "cat")
    with pytest.raises(InputError, match="is there already"):
        export_folder(database, "cats", out)
    assert {path.name for path in tmp_path.iterdir() if ".part" in path.name} == set()


def test_what_cannot_be_a_data_set_is_told(database: Database, tmp_path: Path) -> None:
    queue = begun(database, tmp_path / "bundle", item("a"))
    out = tmp_path / "out"
    with pytest.raises(InputError, match="nothing to train on yet"):
        export_folder(database, "cats", out)
    answer(queue, "unchanged")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="Cannot write"):
        export_folder(database, "cats", tmp_path / "file/out")
    (tmp_path / "bundle/pictures/a-adversarial.png").write_text("another")
    with pytest.raises(InputError, match=r"is not the file that bundle\.json lists"):
        export_folder(database, "cats", out)
    (tmp_path / "bundle/pictures/a-adversarial.png").write_bytes(picture("pictures/a-adversarial.png"))
    told = tmp_path / "bundle/bundle.json"
    told.write_text(told.read_text().replace('"cat"', '"dog"'))
    with pytest.raises(InputError, match="is not the bundle that cats was opened about"):
        export_folder(database, "cats", out)
    assert not out.exists()


def test_a_question_without_changed_pictures_has_no_folder(database: Database, tmp_path: Path) -> None:
    """Two explanations, neither of which is a picture of anything."""
    queue = begun(database, tmp_path / "bundle", item("a"), question="better")
    answer(queue, "left")
    with pytest.raises(InputError, match="has no changed picture"):
        export_folder(database, "cats", tmp_path / "out")
