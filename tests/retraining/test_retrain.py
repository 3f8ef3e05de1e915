"""A retraining from its manifest alone: real networks, real examples, everything small."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cli import RUNS, main
from explain_core.campaign.build import build
from explain_core.campaign.params import CampaignParams
from explain_core.data.sources import load_data
from explain_core.engine.library import Held, Library, choose_device
from explain_core.errors import DataError, InputError, SpecError, TrainingError
from explain_core.methods import METHODS
from explain_core.models.zoo import load_model
from explain_core.retraining.arms import ARMS, Making, data_of, read_bundle
from explain_core.retraining.long import network_of, retrain
from explain_core.retraining.manifest import read_manifest
from explain_core.training.recipe import parse_recipe
from explain_core.training.telling import Alone
from explain_core.training.training import train

ROOT = Path(__file__).resolve().parents[2]
RECIPE = """
base = "ae-cifar10"
title = "Colours"
[network]
architecture = "lenet"
[input]
size = 16
classes = "red, green, blue"
[schedule]
epochs = 3
batch = 10
rate = 0.05
warm_up = 0
[terms.crop-and-flip]
pad = 1
"""
COLOURS = ("red", "green", "blue")
PARAMS = {"seeds": 2, "test_n": 9, "steps": 10, "small": 0.02}


class Report(Alone):
    device = "cpu"


@dataclass(frozen=True)
class Made:
    """Thirty pictures of three colours, a network trained on them, and a bundle of six examples."""

    data: str
    held: Held
    bundle: Path
    values: dict[str, Any]

    def manifest(self, folder: Path, **more: Any) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "manifest.json"
        path.write_text(json.dumps({**self.values, **more}))
        return path

    def planned(self, **more: Any) -> dict[str, Any]:
        return {"plan": {**self.values["plan"], "params": {**PARAMS, **more}}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("retraining")
    y = np.arange(30) % 3
    x = np.random.default_rng(0).integers(60, 130, (30, 16, 16, 3)).astype(np.uint8)
    x[np.arange(30), :, :, y] += 40
    np.savez(folder / "colours.npz", x=x, y=y)
    data = f"npz:{folder / 'colours.npz'}"
    network = train(parse_recipe(RECIPE, settings=["schedule.epochs=8"]), data, folder / "first", device="cpu").network
    held = Library(choose_device("cpu"), METHODS).open(f"trained:{network}")
    asked = {"items": 6, "steps": 40, "gold": 0.0, "repeats": 0.0, "practice": 0, "margin": 0.1}
    bundle = build(held, load_data(data), CampaignParams.build(asked), folder / "campaign")
    told = json.loads((bundle / "bundle.json").read_text())
    names = [item["name"] for item in told["items"]]
    values = {
        "format": 1, "campaign": "colours", "accept": "unchanged", "rule": "majority",
        "bundle": {"folder": str(bundle), "sha256": hashlib.sha256((bundle / "bundle.json").read_bytes()).hexdigest()},
        "spec": told["spec"],
        "labels": [{"item": name, "answer": ("unchanged", "changed")[place % 2]} for place, name in enumerate(names)],
        "raters": {"people": 1, "simulated": 1},
        "plan": {"recipe": RECIPE, "settings": ["schedule.epochs=2"], "test": data, "params": PARAMS},
    }  # fmt: skip
    return Made(data, held, bundle, values)


@pytest.fixture(scope="module")
def done(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("done")
    retrain(made.manifest(out), out, "cpu", Report())
    return out


def weights(out: Path) -> dict[str, dict[str, torch.Tensor]]:
    return {str(path.relative_to(out)): load_file(path) for path in sorted(out.glob("*-*/network/model.safetensors"))}


def test_every_arm_has_its_networks_and_the_proof_compares_them(made: Made, done: Path) -> None:
    assert set(weights(done)) == {f"{arm}-{seed}/network/model.safetensors" for arm in ARMS for seed in (0, 1)}
    proof = json.loads((done / "proof.json").read_text())
    assert (proof["images"], proof["seeds"], proof["examples"]) == (9, 2, 3)
    assert {one["arm"] for one in proof["figures"]} == {"current", *ARMS}
    assert {one["against"] for one in proof["differences"]} == {"current", "regardless", "small"}
    assert "3 examples that people and simulated raters called unchanged" in proof["sentence"]
    measured = json.loads((done / "measured.json").read_text())
    own = [arm for arm in measured["results"] if arm["metric"] == "btr-ara" and "labelled" in arm["model"]]
    figure = next(one for one in proof["figures"] if (one["arm"], one["metric"]) == ("labelled", "btr-ara"))
    assert figure["networks"] == pytest.approx([arm["value"] for arm in own])


def test_from_the_manifest_alone_the_same_weights(made: Made, done: Path, tmp_path: Path) -> None:
    assert main(["retrain", str(done / "manifest.json"), "--out", str(tmp_path / "again"), "--device", "cpu"]) == 0
    first, second = weights(done), weights(tmp_path / "again")
    assert first.keys() == second.keys()
    for name, tensors in first.items():
        for key, value in tensors.items():
            assert torch.equal(value, second[name][key])
    assert (done / "proof.json").read_text() == (tmp_path / "again" / "proof.json").read_text()


def test_killed_and_asked_again_it_ends_the_same(made: Made, done: Path, tmp_path: Path) -> None:
    manifest = made.manifest(tmp_path / "frozen")
    command = [sys.executable, "-m", "cli", "retrain", str(manifest), "--out", str(tmp_path / "out"), "--device", "cpu"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (tmp_path / "out" / "regardless-0" / "metrics.jsonl").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out" / "proof.json").exists()
    assert main(command[3:]) == 0
    first, second = weights(done), weights(tmp_path / "out")
    assert all(torch.equal(value, second[name][key]) for name, some in first.items() for key, value in some.items())


def test_arms_differ_in_their_examples_alone(made: Made, tmp_path: Path) -> None:
    frozen = read_manifest(made.manifest(tmp_path))
    bundle, base = read_bundle(frozen), load_data(made.data)
    making = Making(frozen, bundle, made.held, tmp_path)
    sets = {name: data_of(arm, making, base, COLOURS) for name, arm in ARMS.items()}
    assert {len(items) for items in sets.values()} == {33}
    for items in sets.values():
        assert [item.name for item in items[:30]] == [item.name for item in base]
    own = [made.values["labels"][place]["item"] for place in (0, 2, 4)]
    for name, one in zip(own, sets["labelled"][30:], strict=True):
        assert np.array_equal(one.read().pixels, bundle.pixels(name, "adversarial"))
        assert one.label == bundle.asked[name].label
    for name, one in zip(own, sets["small"][30:], strict=True):
        original = bundle.pixels(name, "original")
        change = one.read().pixels - original
        assert 0 < np.sqrt(np.mean(change**2)) <= PARAMS["small"] + 1e-6
        assert one.label == bundle.asked[name].label
        assert float(made.held.model(torch.from_numpy(one.read().pixels)[None]).softmax(1)[0, one.label]) < float(
            made.held.model(torch.from_numpy(original)[None]).softmax(1)[0, one.label]
        )


def test_examples_have_their_class_s_place_among_the_training_s(made: Made, tmp_path: Path) -> None:
    frozen = read_manifest(made.manifest(tmp_path))
    bundle, base = read_bundle(frozen), load_data(made.data)
    making = Making(frozen, bundle, made.held, tmp_path)
    other_order = data_of(ARMS["labelled"], making, base, ("blue", "green", "red"))[30:]
    assert [item.label for item in other_order] == [
        2 - bundle.asked[item.name.split()[1]].label for item in other_order
    ]
    with pytest.raises(DataError, match=r"but npz:.* has 0, 1, 2: take data"):
        data_of(ARMS["labelled"], making, base, ("0", "1", "2"))


def test_the_control_is_drawn_whatever_was_answered(made: Made, tmp_path: Path) -> None:
    """Other answers, as many of them: the same control."""
    turned = [
        {**one, "answer": "unchanged" if one["answer"] == "changed" else "changed"} for one in made.values["labels"]
    ]
    found = []
    for place, labels in enumerate((made.values["labels"], turned)):
        frozen = read_manifest(made.manifest(tmp_path / str(place), labels=labels))
        making = Making(frozen, read_bundle(frozen), made.held, tmp_path)
        found.append([asked.name for asked, _ in ARMS["regardless"].make(making)])
    assert found[0] == found[1]


def test_from_the_current_weights(made: Made, tmp_path: Path) -> None:
    """With a rate next to nothing, the networks stay what they were."""
    plan = made.planned(start="current", seeds=1)
    plan["plan"]["settings"] = ["schedule.rate=1e-7", "schedule.epochs=1"]
    retrain(made.manifest(tmp_path, **plan), tmp_path, "cpu", Report())
    before = dict(made.held.model.net.state_dict())
    after = load_model(f"trained:{network_of(tmp_path, 0)}")
    for name, value in after.net.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=1e-4)
    torch.testing.assert_close(after.mean, made.held.model.mean)


def test_what_does_not_fit_is_refused(made: Made, tmp_path: Path) -> None:
    wide = {"plan": {**made.planned(start="current")["plan"], "settings": ["network.architecture=mlp"]}}
    with pytest.raises(TrainingError, match="start from scratch"):
        retrain(made.manifest(tmp_path / "a", **wide), tmp_path / "a", "cpu", Report())
    spec = {"spec": {**made.values["spec"], "model_sha256": "0" * 64}}
    with pytest.raises(SpecError, match="is not the network that made the examples"):
        retrain(made.manifest(tmp_path / "b", **spec), tmp_path / "b", "cpu", Report())
    other = {"bundle": {**made.values["bundle"], "sha256": "0" * 64}}
    with pytest.raises(DataError, match="not the one that was labelled"):
        read_bundle(read_manifest(made.manifest(tmp_path / "c", **other)))
    with pytest.raises(DataError, match="one is needed"):
        read_bundle(read_manifest(made.manifest(tmp_path / "d", labels=[])))
    assert main(["retrain", str(made.manifest(tmp_path / "e", format=2)), "--out", str(tmp_path / "f")]) == 2
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"accept": 3},
        {"labels": "all"},
        {"labels": [{"item": 3}]},
        {"plan": {}},
        {"spec": None},
        {"bundle": []},
        {"raters": 3},
        {"raters": {"people": "x"}},
    ],
)
def test_a_manifest_is_not_believed(made: Made, tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="freeze the retraining again"):
        read_manifest(made.manifest(tmp_path, **change))


def test_it_is_a_kind_of_run() -> None:
    assert RUNS["retrain"].function().__name__ == "work"
