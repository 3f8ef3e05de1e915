"""Folders and rows: what is there gets its row, what is gone is told, and the files are what counts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from annotations.database import open_database
from annotations.registry import Registry
from explain_core.data.manifest import make_manifest
from explain_core.library import shown
from explain_core.library.rows import keep_in_step
from explain_core.models.architectures import Shape, build
from explain_core.models.imported import Told, import_weights
from explain_core.models.registry import find, promote, roll_back


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def rows(home: Path) -> Registry:
    return Registry(open_database())


def put(name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        weights = save(build("mlp", {"hidden": 3}, Shape(1, (4, 4), 2)).state_dict())
    told = Told("mlp", {"hidden": 3}, ("ash", "birch"), 1, (4, 4))
    import_weights(weights, "w.safetensors", name, told, next_version=True)


def test_what_is_there_gets_a_row_once(rows: Registry) -> None:
    put("ash")
    made, _ = make_manifest("drawn", "phantom:3,0")
    for _ in range(2):
        step = keep_in_step(rows)
        assert (step.missing_models, step.missing_data, step.faults) == ((), (), ())
        (model,), (data,) = rows.models(), rows.datasets()
        assert (model.name, model.folder, model.recipe) == ("ash", str(find("ash").folder), "")
        assert model.sha256 == find("ash").describe().weights_sha256
        assert (data.name, data.version, data.n, data.sha256) == ("drawn", 1, 3, made.sha256)


def test_a_row_without_its_files_is_missing_and_damage_is_told(rows: Registry, home: Path) -> None:
    for name in ("ash", "birch"):
        put(name)
    make_manifest("drawn", "phantom:3,0")
    keep_in_step(rows)
    shutil.rmtree(home / "models/ash")
    shutil.rmtree(home / "data/drawn")
    put("cedar")
    (home / "models/cedar/1/card.json").chmod(0o644)
    (home / "models/cedar/1/card.json").write_text("{")
    step = keep_in_step(rows)
    assert (step.missing_models, step.missing_data) == (("ash@1",), ("drawn@1",))
    (fault,) = step.faults
    assert "damaged" in fault
    found, faults = shown.models()
    assert [row["Name"] for row in found] == ["birch"]
    assert faults == [fault]


def test_a_card_is_told_in_words(rows: Registry) -> None:
    put("ash")
    facts = shown.facts(find("ash"), find("ash").describe())
    assert facts["Network"] == "mlp (hidden 3, activation relu)"
    assert (facts["Input"], facts["Trained on"], "Imported" in facts) == ("4 × 4 pixels, grey", "not known", False)
    (row,), _ = shown.models()
    assert (row["Recipe"], row["Figures"], row["Classes"]) == ("imported", "–", "2")
    assert [shown.size_text(count) for count in (999, 1_234, 2_500_000_000)] == ["999 bytes", "1.2 kB", "2.5 GB"]


def test_the_current_version_is_told_with_who_made_it_so_and_why(rows: Registry) -> None:
    for _ in range(2):
        put("ash")
    assert [row["Current"] for row in shown.models()[0]] == ["yes", ""]
    assert shown.facts(find("ash"), find("ash").describe())["Current version"] == "this one"
    promote(find("ash", "1").folder, "ash", by="Ada", why="more robust")
    roll_back("ash", by="Bob", why="less accurate")
    assert [(row["Version"], row["Current"]) for row in shown.models()[0]] == [("3", ""), ("2", "yes"), ("1", "")]
    told = shown.facts(find("ash", "3"), find("ash", "3").describe())["Current version"]
    assert told.startswith("2, since 20")
    assert told.endswith(" by Bob: less accurate")
