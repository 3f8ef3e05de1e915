"""A run in its folder, through the command: killed and taken up, shared by two processes, and what it leaves."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cli import main
from explain_core import explain
from explain_core.errors import Cancelled, DataError, OutputError
from explain_core.models.zoo import load_model
from explain_core.training.checkpoint import FILE
from explain_core.training.processes import own_device
from explain_core.training.recipe import load_recipe
from explain_core.training.telling import Alone
from explain_core.training.training import train

ROOT = Path(__file__).resolve().parents[2]
CLASSES = "input.classes=red, green, blue"
SETTINGS = ("schedule.epochs=10", "schedule.batch=6", "schedule.rate=0.05", "schedule.warm_up=0", CLASSES,
            "terms.crop-and-flip.pad=1", "input.size=16")  # fmt: skip
DEADLINE = 120.0


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Thirty pictures in one of three colours."""
    drawn = np.random.default_rng(0)
    y = np.arange(30) % 3
    x = drawn.integers(0, 120, (30, 16, 16, 3)).astype(np.uint8)
    x[np.arange(30), :, :, y] += 100
    path = tmp_path_factory.mktemp("data") / "colours.npz"
    np.savez(path, x=x, y=y)
    return f"npz:{path}"


def command(
    data: str, out: Path, *more: str, recipe: str = "ae-cifar10", settings: Sequence[str] = SETTINGS
) -> list[str]:
    asked = [argument for setting in settings for argument in ("--set", setting)]
    return ["-m", "cli", "train", recipe, "--data", data, "--out", str(out), "--device", "cpu", *asked, *more]


def ran(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, env=alone, timeout=DEADLINE
    )


def weights(out: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(out / "network" / "model.safetensors")
    return found


LENET = ("network.architecture=lenet", *SETTINGS)


def test_killed_three_times_and_resumed_it_ends_the_same(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ran(command(data, tmp_path / "whole", settings=LENET))
    assert whole.returncode == 0, whole.stderr
    parts = tmp_path / "parts"
    moments = sorted(random.Random(3).sample(range(1, 9), 3))
    for index, moment in enumerate(moments):
        kill_after(command(data, parts, *(["--resume"] if index else []), settings=LENET), parts, moment)
    resumed = ran(command(data, parts, "--resume", settings=LENET))
    assert resumed.returncode == 0, resumed.stderr
    expected, found = weights(tmp_path / "whole"), weights(parts)
    assert expected.keys() == found.keys()
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def kill_after(arguments: Sequence[str], out: Path, epochs: int) -> None:
    """SIGKILL as soon as that many epochs were told of."""
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, env=alone)
    until = time.monotonic() + DEADLINE
    curves = out / "metrics.jsonl"
    while process.poll() is None and time.monotonic() < until:
        if curves.exists() and len(curves.read_text().splitlines()) >= epochs:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize(
    ("asked", "rank", "got"),
    [("cuda", "1", "cuda:1"), ("cuda:0", "1", "cuda:0"), ("cpu", "1", "cpu"), ("cuda", None, "cuda")],
)
def test_each_process_has_a_gpu_of_its_own(
    asked: str, rank: str | None, got: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    assert own_device(torch.device(asked)) == torch.device(got)


def test_two_processes_make_the_steps_of_one(data: str, tmp_path: Path) -> None:
    """Float64, 20 steps, a network without batch statistics, every kind of term: ≤ 1e-10."""
    settings = ("network.architecture=mlp", *SETTINGS, "schedule.precision=float64", "schedule.epochs=4",
                "terms.adversarial.share=0.5", "terms.lipschitz.target=1.0", "terms.kernels.l1=1e-4",
                "terms.gaussian-noise.sigma=0.05")  # fmt: skip
    one = ran(command(data, tmp_path / "one", settings=settings))
    assert one.returncode == 0, one.stderr
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    two = ran([*launch, *command(data, tmp_path / "two", settings=settings)])
    assert two.returncode == 0, two.stderr
    expected, found = (load_file(tmp_path / name / FILE) for name in ("one", "two"))
    moved = [name for name in expected if name.startswith("optimiser.")]
    assert moved
    assert all(expected[name].dtype == torch.float64 and expected[name].abs().max() > 0 for name in moved)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-10)
    steps = [json.loads(line)["step"] for line in (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()]
    assert steps[-1] == 20


def test_what_a_run_leaves_is_a_model_like_any_other(data: str, tmp_path: Path) -> None:
    recipe = load_recipe("ae-cifar10", ["network.architecture=lenet", *SETTINGS, "schedule.validation=0.2"])
    finished = train(recipe, data, tmp_path / "run", device="cpu")
    model = load_model(f"trained:{finished.network}")
    assert model.classes == ("red", "green", "blue")
    assert finished.figures["validation accuracy"] == 1.0
    pixels = torch.full((1, 3, 16, 16), 0.2)
    pixels[:, 1] += 0.4
    assert int(model(pixels).argmax()) == 1
    assert explain(model, pixels, "gradcam", target=1)[0].saliency.shape == (16, 16)
    again = train(recipe, data, tmp_path / "run", device="cpu")
    assert again.steps == finished.steps
    assert load_model(f"trained:{again.network}").sha256() == model.sha256()


def test_a_folder_is_one_runs_own(data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = load_recipe("ae-cifar10", ["network.architecture=lenet", *SETTINGS])

    class Meddling(Alone):
        def cancelled(self) -> bool:
            with pytest.raises(OutputError, match="another process is training there"):
                train(recipe, data, tmp_path, device="cpu")
            return True

    with pytest.raises(Cancelled):
        train(recipe, data, tmp_path, device="cpu", listener=Meddling())
    assert (tmp_path / FILE).exists()
    assert main(command(data, tmp_path, settings=LENET)[2:]) == 2
    assert "--resume" in capsys.readouterr().err


def test_mistakes_are_told_in_one_line(data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (command(data, tmp_path / "a", recipe="ae-cifar"), "No recipe 'ae-cifar'"),
        (command(data, tmp_path / "a", settings=["terms.lipschitz.z=9"]), "terms.lipschitz: z = 9"),
        (command("npz:nowhere.npz", tmp_path / "a"), "nowhere.npz"),
        (command(data, tmp_path / "a", settings=["input.classes=red, green"]), "names 2 classes"),
    ):
        assert main(arguments[2:]) == 2
        told = capsys.readouterr().err
        assert message in told
        assert len(told.strip().splitlines()) == 1
    assert not (tmp_path / "a" / "checkpoint.safetensors").exists()


def test_fewer_names_than_classes(data: str, tmp_path: Path) -> None:
    recipe = load_recipe("ae-cifar10", ["input.classes=red, green"])
    with pytest.raises(DataError, match=r"names 2 classes, but .* has 3"):
        train(recipe, data, tmp_path, device="cpu")
