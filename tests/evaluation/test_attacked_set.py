"""An attacked set is read back as data, holds what was lost, and joins its clean pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cli import main
from explain_core.data.sources import load_data
from explain_core.engine.library import hold
from explain_core.errors import DataError, OutputError, ParamError
from explain_core.evaluation.attacked_set import attack_set
from explain_core.methods import METHODS
from explain_core.models.classifier import Classifier


@pytest.fixture
def spec(tmp_path: Path, rng: torch.Generator) -> str:
    x = (torch.rand(6, 16, 16, 3, generator=rng) * 255).byte().numpy()
    np.savez(tmp_path / "clean.npz", x=x, y=np.arange(6) % 5)
    return f"npz:{tmp_path / 'clean.npz'}"


def test_written_read_and_joined(tiny: Classifier, spec: str, tmp_path: Path) -> None:
    held, clean = hold(tiny, "tiny", torch.device("cpu"), METHODS), load_data(spec)
    told = attack_set(held, clean, "pgd-l2", tmp_path / "lost.npz", knobs={"steps": 5}, rho=0.05)
    attacked = load_data(f"npz:{tmp_path / 'lost.npz'}")
    assert [item.label for item in attacked] == [item.label for item in clean]
    changes = [a.read().pixels - b.read().pixels for a, b in zip(attacked, clean, strict=True)]
    sizes = [float(np.sqrt(np.square(change).mean())) for change in changes]
    assert max(sizes) <= 0.05 + 1e-5
    assert told["rmse"] == pytest.approx(np.mean(sizes), abs=1e-5)
    pixels = torch.from_numpy(np.stack([item.read().pixels for item in attacked]))
    wrong = (tiny(pixels).argmax(1) != torch.tensor([item.label for item in attacked])).tolist()
    assert told["lost"] == pytest.approx(np.mean(wrong))
    both = load_data(f"{spec} + npz:{tmp_path / 'lost.npz'}")
    assert len(both) == 12
    assert (both[0].name, both[6].name) == ("1 000000", "2 000000")
    with np.load(tmp_path / "lost.npz", allow_pickle=False) as file:
        assert json.loads(str(file["asked"]))["params"]["steps"] == 5


def test_mistakes(tiny: Classifier, spec: str, tmp_path: Path) -> None:
    held, clean = hold(tiny, "tiny", torch.device("cpu"), METHODS), load_data(spec)
    with pytest.raises(ParamError, match="No attack 'pgd'"):
        attack_set(held, clean, "pgd", tmp_path / "a.npz")
    with pytest.raises(OutputError, match="cannot be written"):
        attack_set(held, clean, "fgsm", tmp_path / "nowhere" / "a.npz")
    np.savez(tmp_path / "nameless.npz", x=np.zeros((2, 16, 16, 3), np.uint8))
    with pytest.raises(DataError, match="has no label"):
        attack_set(held, load_data(f"npz:{tmp_path / 'nameless.npz'}"), "fgsm", tmp_path / "a.npz")
    assert not list(tmp_path.glob("a.npz*"))


def test_sets_of_other_classes_are_not_joined(spec: str, tmp_path: Path) -> None:
    np.savez(
        tmp_path / "named.npz", x=np.zeros((1, 16, 16, 3), np.uint8), y=np.array([0]), classes=np.array(["a", "b"])
    )
    with pytest.raises(DataError, match="has the classes a, b"):
        load_data(f"{spec} + npz:{tmp_path / 'named.npz'}")


def test_from_the_shell(spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    films, out = "phantom:4,0", tmp_path / "films.npz"
    assert main(["attack", "--data", films, "--out", str(out), "--attack", "fgsm", "--set", "fgsm.eps=0.02"]) == 0
    assert "class lost on" in capsys.readouterr().out
    assert len(load_data(f"npz:{out}")) == 4
    assert main(["attack", "--data", spec, "--out", str(out), "--attack", "fgm"]) == 2
    assert "did you mean 'fgsm'" in capsys.readouterr().err
