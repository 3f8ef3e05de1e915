"""A campaign is built from real parts: a network, pictures, the confident attack; and the label store reads it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from annotations.bundle import Bundle, read_bundle
from cli import RUNS, main
from explain_core.campaign.build import INVISIBLE, build
from explain_core.campaign.bundle import Example, Item, write_bundle
from explain_core.campaign.params import CampaignParams
from explain_core.campaign.strategies import STRATEGIES
from explain_core.data.sources import load_data
from explain_core.engine.library import Held, Library, choose_device
from explain_core.errors import DataError, InputError, OutputError
from explain_core.methods import METHODS

ROOT = Path(__file__).resolve().parents[2]
DATA = "phantom-patches:24,5"
SMALL = {"items": 6, "steps": 20, "gold": 0.34, "repeats": 0.34, "practice": 6, "margin": 0.2}


@pytest.fixture(scope="module")
def held() -> Held:
    return Library(choose_device("cpu"), METHODS).open("demo")


@pytest.fixture(scope="module")
def bundle(held: Held, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("build")
    return read_bundle(build(held, load_data(DATA), CampaignParams.build(SMALL), folder, title="Lesions"))


def test_the_store_reads_it(bundle: Bundle) -> None:
    kinds = [item.kind for item in bundle.items]
    assert Counter(kinds) == {"practice": 6, "ask": 6, "gold": 2, "repeat": 2}
    assert kinds[:6] == 6 * ["practice"]
    assert bundle.title == "Lesions"
    assert {item.truth for item in bundle.items if item.kind == "gold"} == {"unchanged", "changed"}


def test_a_repeat_comes_after_its_own(bundle: Bundle) -> None:
    place = {item.name: number for number, item in enumerate(bundle.items)}
    for item in bundle.items:
        if item.repeats:
            assert place[item.name] > place[item.repeats]
            assert item.name.startswith("repeat-")


def test_every_example_is_sure_of_a_wrong_class(bundle: Bundle, held: Held) -> None:
    import torch

    arrays = load_file(bundle.folder / "examples.safetensors")
    for item in bundle.items:
        if item.kind != "ask":
            continue
        changed = torch.from_numpy(arrays[f"{item.name}.adversarial"])[None]
        with torch.no_grad():
            p = held.model.probabilities(held.model(changed))[0]
        label = held.card.classes.index(item.class_name)
        assert int(p.argmax()) != label
        assert float(p.max() - p[label]) > 0.2 - 1e-4
        assert item.told is not None
        assert item.told["rmse"] == pytest.approx(
            float(np.sqrt(np.mean((arrays[f"{item.name}.adversarial"] - arrays[f"{item.name}.original"]) ** 2))),
            rel=1e-4,
        )


def test_pictures_are_what_was_made_in_256_levels(bundle: Bundle) -> None:
    arrays = load_file(bundle.folder / "examples.safetensors")
    item = next(item for item in bundle.items if item.kind == "ask")
    for side in ("original", "adversarial"):
        shown = np.asarray(Image.open(bundle.folder / item.pictures[side]).convert("L"), np.float32) / 255
        assert np.abs(shown - arrays[f"{item.name}.{side}"][0]).max() <= 0.5 / 255 + 1e-6


def test_large_pictures_are_not_reduced_for_shapes_are_drawn_on_their_pixels(tmp_path: Path) -> None:
    large = Example(np.zeros((1, 800, 900), np.float32), np.ones((1, 800, 900), np.float32), "cat", {})
    write_bundle(tmp_path / "bundle", [Item("a", "ask", large)], question="unchanged", title="", spec={})
    with Image.open(tmp_path / "bundle/pictures/a-adversarial.png") as found:
        assert found.size == (900, 800)


def test_gold_that_shows_no_change_shows_none(bundle: Bundle) -> None:
    for item in bundle.items:
        if item.truth == "unchanged":
            first, second = (
                np.asarray(Image.open(bundle.folder / item.pictures[side]).convert("L"), np.float32)
                for side in ("original", "adversarial")
            )
            assert np.sqrt(np.mean((first - second) ** 2)) < 3 * 255 * INVISIBLE


def test_practice_shows_every_answer_on_pictures_of_its_own(bundle: Bundle) -> None:
    """Half of each of two pictures is unsure: twice that, less the original, is the other one."""
    practice = [item for item in bundle.items if item.kind == "practice"]
    assert [item.truth for item in practice] == 2 * ["unchanged", "changed", "unsure"]
    known = [item for item in bundle.items if item.kind in ("practice", "gold")]
    assert len({(item.told or {})["source"] for item in known}) == len(known)
    unsure = practice[2]
    assert unsure.told
    other = next(name for name in ("normal", "lesion") if name != unsure.class_name)
    assert unsure.told["why"] == f"It is half a picture of “{other}”."
    original, mixed = (
        np.asarray(Image.open(bundle.folder / unsure.pictures[side]).convert("L"), np.float32) / 255
        for side in ("original", "adversarial")
    )
    pictures = [item.read().pixels for item in load_data(DATA)]
    assert min(float(np.abs(2 * mixed - original - one[0]).max()) for one in pictures) < 3 / 255


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_every_strategy_builds(held: Held, tmp_path: Path, strategy: str) -> None:
    beside = [Library(choose_device("cpu"), METHODS).open("demo-shortcut")] if strategy == "bald" else []
    params = CampaignParams.build({**SMALL, "items": 2, "strategy": strategy, "practice": 0})
    made = read_bundle(build(held, load_data("phantom-patches:10,5"), params, tmp_path, beside=beside))
    assert sum(item.kind == "ask" for item in made.items) == 2


def test_bald_needs_others(held: Held, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name others"):
        build(held, load_data(DATA), CampaignParams.build({**SMALL, "strategy": "bald"}), tmp_path)


def test_too_few_pictures_and_another_folder_are_told(held: Held, tmp_path: Path) -> None:
    few = load_data("phantom-patches:4,5")
    with pytest.raises(DataError, match="and 6 were asked for"):
        build(held, few, CampaignParams.build(SMALL), tmp_path)
    with pytest.raises(OutputError, match="another run"):
        build(held, few, CampaignParams.build({**SMALL, "seed": 1}), tmp_path)


def command(out: Path) -> list[str]:
    sets = [word for knob, value in SMALL.items() for word in ("--set", f"{knob}={value}")]
    return ["campaign", "--model", "demo", "--data", DATA, "--out", str(out), "--device", "cpu", *sets]


def test_killed_and_asked_again_it_is_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert main(command(whole)) == 0
    assert capsys.readouterr().out.strip() == str(whole / "bundle")
    run = subprocess.Popen([sys.executable, "-m", "cli", *command(broken)], cwd=ROOT, stdout=subprocess.DEVNULL)
    while not (broken / "chosen.json").exists():
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert main(command(broken)) == 0
    first, second = (json.loads((folder / "bundle/bundle.json").read_text()) for folder in (whole, broken))
    assert first == second


def test_a_build_that_is_done_is_left_as_it_is(bundle: Bundle, held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (bundle.folder / "bundle.json").stat().st_mtime_ns
    monkeypatch.setattr("explain_core.campaign.build.Asking", None)
    params = CampaignParams.build(SMALL)
    assert build(held, load_data(DATA), params, bundle.folder.parent, title="Lesions") == bundle.folder
    assert (bundle.folder / "bundle.json").stat().st_mtime_ns == before


def test_it_is_a_kind_of_run() -> None:
    assert RUNS["campaign"].function().__name__ == "work"
