"""Retraining on the Campaigns page: what there is to go by, freezing, the proof, and promoting."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from annotations.bundle import read_bundle
from annotations.campaigns import Campaigns
from annotations.database import Database, open_database
from annotations.importing import import_labels
from annotations.people import People
from annotations.retraining import Retrainings
from annotations.runs import RunStore
from explain_core.models.registry import find, register
from explain_core.retraining.arms import ARMS
from explain_core.retraining.proof import BEFORE, prove
from explain_core.training.recipe import load_recipe
from explain_core.training.training import train
from pages.parts import proof_view, runs
from tests.annotations.bundles import item, write_bundle
from tests.pages.acting import press, view
from tests.pages.fake_engine import Opened

LABELS = "item,rater,answer\na,bob,unchanged\nb,bob,changed\n"


@pytest.fixture(autouse=True)
def database(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Ada organises, bob has answered about two items."""
    monkeypatch.setattr(runs, "set_going", lambda: None)
    opened = open_database()
    people = People(opened)
    people.add("ada", "admin")
    people.add("bob", "annotator", by="ada")
    bundle = read_bundle(write_bundle(tmp_path / "bundle", [item("a"), item("b")]))
    Campaigns(opened).create("cats", bundle, by="ada")
    return opened


@pytest.fixture
def page(opened: Opened) -> AppTest:
    app = opened()
    app.switch_page("pages/campaigns.py").run()
    return view(app, "retrain", "campaigns")


def proved(database: Database, tmp_path: Path) -> Path:
    """A retraining that is done: frozen, with a proof of drawn figures and a network of two steps."""
    out = tmp_path / "home/runs/first.retrain"
    manifest = Retrainings(database).freeze("cats", {"recipe": ""}, rule="majority", by="ada", out=out)
    draw = np.random.default_rng(0)
    sizes = {name: draw.gamma(2, 0.01, (1 if name == BEFORE else 2, 20)) for name in (BEFORE, *ARMS)}
    found = {
        name: {"accuracy": (one > 0.01).astype(float), "attack-ara": one, "btr-ara": 2 * one}
        for name, one in sizes.items()
    }
    proof = prove(found, "labelled", 0.1, 1).as_dict()
    told = {"manifest_sha256": hashlib.sha256(manifest.read_bytes()).hexdigest(), "campaign": "cats", **proof}
    (out / "proof.json").write_text(json.dumps(told))
    pictures = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3)).astype(np.uint8)
    np.savez(tmp_path / "few.npz", x=pictures, y=np.arange(12) % 3)
    settings = ["network.architecture=lenet", "input.size=16", "input.classes=a, b, c", "schedule.epochs=1"]
    train(load_recipe("ae-cifar10", settings), f"npz:{tmp_path / 'few.npz'}", out / "labelled-0", device="cpu")
    return out


def test_before_anybody_answered(page: AppTest) -> None:
    assert "Nobody has answered yet" in page.info[0].value


def test_what_is_frozen_is_what_was_asked(page: AppTest, database: Database) -> None:
    import_labels(database, "cats", LABELS, by="ada")
    view(page, "retrain", "campaigns")
    assert any("2 labels so far" in one.value and "1 unchanged" in one.value for one in page.markdown)
    page.text_input(key="retrain-test").set_value("npz:test.npz")
    page.text_input(key="retrain-name").set_value("second")
    page.number_input(key="retrain.seeds").set_value(2).run()
    press(page, "Freeze and start")
    assert "has no recipe of its own" in page.error[0].value
    page.selectbox(key="retrain-recipe").select("small-standard").run()
    page.text_input(key="retrain-settings").set_value("schedule.epochs=0").run()
    press(page, "Freeze and start")
    assert "schedule: epochs = 0" in page.error[0].value
    assert not Retrainings(database).find()
    page.text_input(key="retrain-settings").set_value("schedule.epochs=3; schedule.batch=16").run()
    press(page, "Freeze and start")
    (run,) = RunStore(database).find()
    assert (run.kind, run.title) == ("retrain", "second")
    (frozen,) = Retrainings(database).find("cats")
    plan = json.loads((frozen.folder / "manifest.json").read_text())["plan"]
    assert plan["settings"] == ["schedule.epochs=3", "schedule.batch=16"]
    assert (plan["test"], plan["params"]["seeds"]) == ("npz:test.npz", 2)
    assert any("0 labels since the last retraining" in one.value for one in page.markdown)


def test_the_proof_is_shown_and_its_network_promoted_and_rolled_back(
    page: AppTest, database: Database, tmp_path: Path
) -> None:
    import_labels(database, "cats", LABELS, by="ada")
    out = proved(database, tmp_path)
    register(out / "labelled-0" / "network", "cats")
    view(page, "retrain", "campaigns")
    assert any("1 example that people called unchanged" in one.value for one in page.markdown)
    assert len(page.dataframe[0].value) == 9
    page.text_input(key="promote-name").set_value("cats")
    press(page, "Promote")
    assert "must be told" in page.error[0].value
    assert find("cats").version == 1
    page.text_input(key="promote-why").set_value("withstands more")
    press(page, "Promote")
    assert "version 2 now" in page.success[0].value
    assert find("cats").version == 2
    press(page, "Roll back")
    assert "version 1 now" in page.success[0].value
    assert find("cats").version == 1
    assert find("cats", "2").version == 2


def test_a_proof_of_another_manifest_is_not_shown(page: AppTest, database: Database, tmp_path: Path) -> None:
    import_labels(database, "cats", LABELS, by="ada")
    out = proved(database, tmp_path)
    (out / "proof.json").write_text(json.dumps({"manifest_sha256": "0" * 64}))
    view(page, "retrain", "campaigns")
    assert "not of the manifest" in page.warning[0].value


def test_the_figure_has_every_arm_and_network(database: Database, tmp_path: Path) -> None:
    import_labels(database, "cats", LABELS, by="ada")
    figure = proof_view.figure(json.loads((proved(database, tmp_path) / "proof.json").read_text()))
    assert len(figure.data) == 3 * 2 * (1 + len(ARMS))
    means = [trace for trace in figure.data if trace.error_y.array is not None]
    assert {trace.x[0] for trace in means} == {"Before", *(arm.title for arm in ARMS.values())}
