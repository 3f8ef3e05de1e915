"""`rhoscope labels retrain|promote|roll-back`: frozen, promoted and undone by people who may, and without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from annotations import audit
from annotations.database import open_database
from annotations.runs import RunStore
from cli import main
from explain_core.models.card import read_card
from explain_core.models.registry import find, register
from explain_core.models.zoo import load_model
from tests.annotations.bundles import item, write_bundle
from tests.models.test_registry import trained

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Ada organises; bob has answered about two items."""
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))
    for name in ("RHOSCOPE_DB", "RHOSCOPE_RUNS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "labels.csv").write_text("item,rater,answer\na,bob,unchanged\nb,bob,changed\n")
    bundle = write_bundle(tmp_path / "bundle", [item("a"), item("b")])
    assert main(["labels", "person", "ada", "--role", "admin"]) == 0
    assert main(["labels", "person", "bob", "--by", "ada"]) == 0
    assert main(["labels", "campaign", "cats", "--from", str(bundle), "--by", "ada"]) == 0
    assert main(["labels", "import", str(tmp_path / "labels.csv"), "--campaign", "cats", "--by", "ada"]) == 0
    return tmp_path


def ask(out: Path, *more: str, by: str = "ada") -> list[str]:
    return ["labels", "retrain", "cats", "--test", "npz:test.npz", "--out", str(out), "--by", by, *more]


def without_torch(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    script = "import cli, sys; code = cli.main(sys.argv[1:]); sys.exit(code or 7 * ('torch' in sys.modules))"
    return subprocess.run([sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True)


def test_it_freezes_and_waits_for_a_worker(home: Path) -> None:
    settings = ["--set", "n=50", "--set", "schedule.epochs=1", "--set", "seeds=2", "--recipe", "small-standard"]
    done = without_torch(ask(home / "runs" / "first", *settings, "--json"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    (run,) = RunStore(open_database()).find()
    assert (run.id, run.kind, run.state) == (told["run"], "retrain", "waiting")
    manifest = json.loads(Path(told["manifest"]).read_text())
    assert manifest["plan"]["recipe"] == 'base = "small-standard"\n'
    assert manifest["plan"]["settings"] == ["schedule.epochs=1"]
    assert (manifest["plan"]["params"]["n"], manifest["plan"]["params"]["seeds"]) == (50, 2)
    assert main(ask(home / "runs" / "first", *settings)) == 2  # never changed


@pytest.mark.parametrize(
    ("more", "by", "why"),
    [
        (["--recipe", "small-standard"], "bob", "may not organise"),
        (["--recipe", "small-standard", "--rule", "loudest"], "ada", "loudest"),
        (["--recipe", "small-standard", "--set", "seeds=0"], "ada", "seeds = 0"),
        (["--recipe", "small-standard", "--set", "seeds"], "ada", "seeds"),
        (["--recipe", "small-nothing"], "ada", "No recipe 'small-nothing'"),
        (["--recipe", "nowhere.toml"], "ada", "nowhere.toml cannot be read"),
        ([], "ada", "no recipe of its own"),
    ],
)
def test_what_does_not_fit_freezes_nothing(
    home: Path, more: list[str], by: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(ask(home / "out", *more, by=by)) == 2
    assert why in capsys.readouterr().err
    assert not (home / "out" / "manifest.json").exists()
    assert not RunStore(open_database()).find()


def test_promoted_and_rolled_back(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = trained(home / "network")
    register(folder, "cats")
    promote = ["labels", "promote", str(folder), "--name", "cats", "--why", "withstands more"]
    assert main([*promote, "--by", "bob"]) == 2
    assert find("cats").version == 1
    done = without_torch([*promote, "--by", "ada"])
    assert done.returncode == 0, done.stderr
    assert "version 2 now; it was 1 before" in done.stdout
    assert load_model("registry/cats").spec == "registry/cats"
    assert read_card(find("cats").folder).card.extra["promoted"] == {"by": "ada", "why": "withstands more"}
    assert main(["labels", "roll-back", "cats", "--by", "ada", "--why", " "]) == 2
    assert main(["labels", "roll-back", "cats", "--by", "ada", "--why", "it errs on kittens"]) == 0
    assert find("cats").version == 1
    assert main(["labels", "roll-back", "dogs", "--by", "ada", "--why", "never there"]) == 2
    told = [entry for entry in audit.entries(open_database()) if entry.what == audit.PROMOTED]
    assert [entry.detail["version"] for entry in told] == [1, 2]
    assert {entry.who for entry in told} == {"ada"}
    assert main(["labels", "verify"]) == 0


def test_weights_that_were_exchanged_are_not_promoted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = trained(home / "network")
    (folder / "model.safetensors").write_bytes(b"other")
    assert main(["labels", "promote", str(folder), "--name", "cats", "--by", "ada", "--why", "better"]) == 2
    assert "is not the file" in capsys.readouterr().err
    assert not (home / "home" / "models" / "cats").exists()
