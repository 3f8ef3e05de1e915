"""Registered models: versions count up, never change, and nothing but a name leads to them."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from explain_core.errors import OutputError, ParamError, SpecError, WeightsError
from explain_core.models.architectures import Shape, build
from explain_core.models.card import CARD, WEIGHTS, Card
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.models.promotions import promotions
from explain_core.models.registry import find, promote, register, registered, workspace
from explain_core.models.trained import write_trained
from explain_core.models.zoo import known_specs, load_model

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def trained(folder: Path, seed: int = 0) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = build("mlp", {"hidden": 3}, Shape(1, (4, 4), 2))
    model = Classifier(net, classes=("ash", "birch"), kind="softmax", input=InputSpec(1, (4, 4), smallest=4))
    write_trained(folder, model, Card("mlp", {"hidden": 3}, "", "blobs", "0" * 64, {}, seed, "2026-11-21"))
    return folder


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return trained(tmp_path / "net")


def test_versions_count_up_and_the_newest_is_the_highest_number(tmp_path: Path, net: Path, home: Path) -> None:
    assert registered() == []
    made = [register(trained(tmp_path / "net", seed), "forest-2") for seed in range(11)]
    assert made == list(range(1, 12))
    assert [entry.version for entry in registered()] == made
    newest = find("forest-2")
    assert (newest.version, newest.spec, newest.folder) == (11, "registry/forest-2@11", home / "models/forest-2/11")
    assert {path.name for path in newest.folder.iterdir()} == {CARD, WEIGHTS}
    x = torch.rand(2, 1, 4, 4)
    for spec, seed in (("registry/forest-2", 10), ("registry/forest-2@11", 10), ("registry/forest-2@2", 1)):
        model = load_model(spec)
        assert torch.equal(model(x), load_model(f"trained:{trained(tmp_path / 'again', seed)}")(x))
        assert model.spec == spec


def test_a_version_is_a_copy_that_cannot_be_written(net: Path) -> None:
    version = register(net, "forest", extra={"approved": "yes"})
    kept = find("forest", str(version))
    assert kept.describe().card.extra == {"approved": "yes"}
    assert [oct((kept.folder / name).stat().st_mode & 0o777) for name in (CARD, WEIGHTS)] == ["0o444"] * 2
    (net / WEIGHTS).unlink()
    assert load_model("registry/forest").classes == ("ash", "birch")


def test_two_who_register_at_once_get_two_versions(net: Path, home: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: register(net, "forest"), range(24)))
    assert sorted(made) == list(range(1, 25))
    assert len(list((home / "models" / "forest").iterdir())) == 24


def test_two_who_promote_at_once_are_both_noted(net: Path, home: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: promote(net, "forest", by="Ada", why="more robust"), range(16)))
    kept = promotions(home / "models" / "forest")
    assert sorted(one.version for one in kept) == list(range(1, 17))
    assert set(kept) == set(made)


@pytest.mark.parametrize("name", ["", "-a", "a/b", "..", "../a", "a b", "a.b", "é", "a\n", "a" * 65, "a@1", "~"])
def test_names_are_letters_digits_and_dashes(net: Path, name: str, home: Path) -> None:
    with pytest.raises(ParamError, match="letters"):
        register(net, name)
    assert not home.exists()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("registry", r"the form is registry/NAME\[@VERSION\]"),
        ("registry/", "the form is registry"),
        ("registry/forest@", "the form is registry"),
        ("registry/forrest", "did you mean 'forest'"),
        ("registry/forest/1", "No registered model 'forest/1'"),
        ("registry/../net", "No registered model"),
        ("registry/forest@2", "No version '2' of registry/forest: there is 1"),
        ("registry/forest@01", "No version '01'"),
        ("registry/forest@../../net", "No version"),
        ("registry/forest@new", "No version 'new'"),
    ],
)
def test_what_is_not_registered(net: Path, spec: str, words: str) -> None:
    register(net, "forest")
    with pytest.raises(SpecError, match=words) as caught:
        load_model(spec)
    assert "\n" not in str(caught.value)


def test_an_empty_workspace_says_what_to_do() -> None:
    with pytest.raises(SpecError, match="nothing is registered here yet"):
        load_model("registry/forest")


def test_what_cannot_be_loaded_is_not_registered(net: Path, tmp_path: Path, home: Path) -> None:
    with pytest.raises(SpecError, match="there is no folder"):
        register(tmp_path / "nowhere", "forest")
    (net / WEIGHTS).write_bytes(b"")
    with pytest.raises(WeightsError):
        register(net, "forest")
    assert not home.exists()


def test_a_workspace_that_is_a_file(net: Path, home: Path) -> None:
    home.touch()
    with pytest.raises(OutputError, match="Cannot write"):
        register(net, "forest")
    with pytest.raises(OutputError, match="set RHOSCOPE_HOME"):
        registered()


def test_strangers_in_the_workspace_are_no_models(net: Path, home: Path) -> None:
    register(net, "forest")
    for stranger in ("forest/latest", "forest/0", "forest/.new.12345678.part", "a_b/1", "empty"):
        (home / "models" / stranger).mkdir(parents=True)
    (home / "models" / "forest" / "7").touch()
    assert [entry.spec for entry in registered()] == ["registry/forest@1"]


def test_registered_models_are_offered_by_name(net: Path) -> None:
    register(net, "forest")
    register(net, "forest")
    ours = [spec for spec in known_specs() if not spec.startswith(("torchvision/", "shipped/"))]
    assert ours == ["demo", "demo-shortcut", "registry/forest@2"]


def test_without_a_variable_the_workspace_is_in_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RHOSCOPE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert workspace() == tmp_path / ".rhoscope"


def test_the_list_needs_no_torch() -> None:
    code = "import sys; from explain_core.models.registry import registered as r; r(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
