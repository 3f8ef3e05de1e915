"""The truth about phantoms: changes that take a known share of the lesion away, or draw one."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from cli import main
from explain_core.campaign.bundle import Example, Item, write_bundle
from explain_core.campaign.known import BRIGHTNESS, RADIUS, known_answers, left
from explain_core.data.sources import load_data
from explain_core.data.sources.phantoms import lesion_alone
from explain_core.errors import DataError
from explain_core.records import Floats

DATA = "phantom-patches:12,5"
KEPT = {"a": 1.2, "b": 0.7, "c": 0.5, "d": 0.3, "e": -0.5}
ANSWERS = {"a": "unchanged", "b": "unchanged", "c": "unsure", "d": "changed", "e": "changed"}


def lesion_name() -> str:
    return next(item.name for item in load_data(DATA) if item.label == 1)


def disc(size: int, brightness: float, radius: int = RADIUS) -> Floats:
    y, x = np.ogrid[:size, :size]
    return np.where((x - 40) ** 2 + (y - 60) ** 2 <= radius**2, brightness, 0).astype(np.float32)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Of one patch, with so much of its lesion kept; no clipping, so that the shares are exact."""
    picture = next(item for item in load_data(DATA) if item.name == lesion_name()).read().pixels
    alone = lesion_alone(lesion_name())
    items = [
        Item(name, "ask", Example(picture, picture - (1 - kept) * alone, "lesion", {"source": lesion_name()}))
        for name, kept in KEPT.items()
    ]
    write_bundle(tmp_path / "bundle", items, question="unchanged", title="", spec={})
    return tmp_path / "bundle"


def test_the_answer_is_the_share_of_the_lesion_that_is_left(bundle: Path) -> None:
    assert known_answers(bundle, error=0, seed=0) == ANSWERS


def test_errors_are_other_answers(bundle: Path) -> None:
    found = known_answers(bundle, error=1, seed=0)
    assert all(found[name] != answer for name, answer in ANSWERS.items())


def test_what_is_drawn_into_a_film_without_lesions_counts() -> None:
    none = np.zeros((112, 112), np.float32)
    assert left(none, none) == 1
    assert left(disc(112, BRIGHTNESS), none) == pytest.approx(0, abs=1e-6)
    assert left(disc(112, BRIGHTNESS / 2), none) == pytest.approx(0.5)
    assert left(-disc(112, BRIGHTNESS), none) >= 1
    assert left(disc(112, BRIGHTNESS, radius=3), none) > 0.9


def test_the_lesion_alone_lies_in_its_mask_and_a_film_without_has_none() -> None:
    items = {item.label: item for item in load_data("phantom:2,7")}
    assert not lesion_alone(items[0].name).any()
    alone, marks = lesion_alone(items[1].name), items[1].annotation
    assert marks is not None
    assert alone.any()
    assert not alone[~marks.mask()].any()
    assert lesion_alone(lesion_name()).shape == (112, 112)


@pytest.mark.parametrize("name", ["", "000031", "phantom -1", "patch 1", "patch 600001x"])
def test_other_pictures_have_no_known_lesion(name: str) -> None:
    with pytest.raises(DataError, match="no phantom's name"):
        lesion_alone(name)


def test_other_sizes_are_refused() -> None:
    with pytest.raises(DataError, match="at their own size"):
        left(np.zeros((64, 64), np.float32), np.zeros((112, 112), np.float32))


def test_from_the_command_line(bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.csv"
    assert main(["simulated-rater", str(bundle), "--out", str(out), "--name", "truth", "--error", "0"]) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert {row["item"]: row["answer"] for row in rows} == ANSWERS
    assert {row["rater"] for row in rows} == {"simulated truth"}
