"""`rhoscope library`, `backup` and `restore`, from a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cli import main, open_registry
from explain_core.models.architectures import Shape, build
from explain_core.models.card import Card
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.models.trained import write_trained


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def net() -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        return build("mlp", {"hidden": 3}, Shape(1, (4, 4), 2))


@pytest.fixture
def weights(net: torch.nn.Module, tmp_path: Path) -> Path:
    save_file(net.state_dict(), tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


def said(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    code = main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    assert (code, told.err) == (0, "")
    return told.out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main([str(argument) for argument in arguments]) == 2
    return capsys.readouterr().err


def importing(file: Path, *more: str) -> list[str | Path]:
    asked = ["--architecture", "mlp", "--set", "hidden=3", "--classes", "ash, birch", "--channels", "1", *more]
    return ["library", "import", file, "mine", *asked]


def test_weights_are_imported_and_listed(capsys: pytest.CaptureFixture[str], weights: Path) -> None:
    asked = importing(weights, "--size", "4x4", "--mean", "0.4", "--std", "0.2")
    assert said(capsys, *asked) == "registry/mine@1\n"
    assert "'mine' is taken" in refused(capsys, *asked)
    assert said(capsys, *asked, "--next") == "registry/mine@2\n"
    assert [line.split()[0] for line in said(capsys, "library", "models").splitlines()] == ["mine@2", "mine@1"]
    (newest, _) = json.loads(said(capsys, "library", "models", "--json"))
    assert (newest["Name"], newest["Version"], newest["Recipe"]) == ("mine", "2", "imported")
    assert [model.version for model in open_registry().models()] == [2, 1]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--size", "4"], "height x width"),
        (["--size", "any"], "give height and width"),
        (["--size", "4x4", "--mean", "a"], "finite numbers"),
        (["--size", "4x4", "--set", "hidden"], "KNOB=VALUE"),
        (["--size", "4x4", "--set", "hiden=3"], "did you mean 'hidden'"),
        (["--size", "4x5"], "has shape"),
    ],
)
def test_what_cannot_be_imported_is_told(
    capsys: pytest.CaptureFixture[str], weights: Path, more: list[str], why: str
) -> None:
    assert why in refused(capsys, *importing(weights, *more))
    assert said(capsys, "library", "models") == ""


def test_a_trained_network_is_registered(
    capsys: pytest.CaptureFixture[str], net: torch.nn.Module, tmp_path: Path
) -> None:
    model = Classifier(net, classes=("ash", "birch"), kind="softmax", input=InputSpec(1, (4, 4), smallest=4))
    card = Card("mlp", {"hidden": 3}, 'title = "Leaves"', "blobs", "1" * 64, {"accuracy": 0.5}, 0, "2026-11-21")
    write_trained(tmp_path / "net", model, card)
    assert said(capsys, "library", "register", tmp_path / "net", "leaves") == "registry/leaves@1\n"
    assert "recipe Leaves, network mlp, classes 2, figures accuracy 0.5" in said(capsys, "library", "models")
    assert "no folder" in refused(capsys, "library", "register", tmp_path / "none", "leaves")


def test_a_manifest_is_made_and_verified(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    asked = ("library", "manifest", "drawn", "phantom:3,0")
    assert said(capsys, *asked, "--pictures") == "manifest:drawn@1  3 items, new\n"
    assert said(capsys, *asked, "--pictures") == "manifest:drawn@1  3 items, there already\n"
    assert said(capsys, "library", "verify", "drawn") == "manifest:drawn@1: nothing has changed\n"
    assert said(capsys, "library", "data").startswith("drawn@1  items 3")
    assert "No data set" in refused(capsys, "library", "verify", "other")
    (home / "data/drawn/1.json").unlink()
    assert "drawn@1: its files are gone" in refused(capsys, "library", "data")


def test_what_has_changed_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = tmp_path / "films.csv"
    table.write_text("file,label,name\na.png,0,one\nb.png,1,two\n")
    said(capsys, "library", "manifest", "films", f"csv:{table}")
    table.write_text("file,label,name\na.png,1,one\nb.png,1,two\n")
    assert "another label: 1 (one)" in refused(capsys, "library", "verify", "films")


def test_backup_and_restore(
    capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(capsys, *importing(weights, "--size", "4x4"))
    assert said(capsys, "backup", tmp_path / "all.zip").endswith("3 files\n")
    assert "already" in refused(capsys, "backup", tmp_path / "all.zip")
    assert "already" in refused(capsys, "restore", tmp_path / "all.zip")
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "second"))
    assert str(tmp_path / "second") in said(capsys, "restore", tmp_path / "all.zip")
    assert said(capsys, "library", "models").startswith("mine@1")
