"""The published networks load under their own key names and reach their published accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from explain_core.data.names import CIFAR10
from explain_core.errors import WeightsError
from explain_core.models.architectures.preact_resnet import PreActResNet
from explain_core.models.hhrelu import HHReLU
from explain_core.models.weights import undrawn
from explain_core.models.zoo import load_model


def weights(folder: Path, activation: str = "relu", classes: int = 10) -> Path:
    """A seeded ResNet-44 in the published form."""
    made = undrawn(lambda: PreActResNet(classes, activation=HHReLU if activation == "hhrelu" else torch.nn.ReLU))
    path = folder / f"{activation}.safetensors"
    offset = torch.tensor([[0.5, 0.4, 0.3], [0.2, 0.2, 0.1]])
    save_file({**made.state_dict(), "input_offset": offset}, path)
    return path


def test_the_offset_is_mean_and_std_and_a_map_becomes_its_largest(tmp_path: Path) -> None:
    model = load_model(f"preact-resnet44@{weights(tmp_path)}")
    assert model.mean.flatten().tolist() == pytest.approx([0.5, 0.4, 0.3])
    assert model.std.flatten().tolist() == pytest.approx([0.2, 0.2, 0.1])
    assert (model.classes, model.kind, model.training) == (CIFAR10, "softmax", False)
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert model.net(x).shape == (2, 10, 2, 2)
    assert torch.equal(model.present(model.net(x)), model.net(x).flatten(2).amax(2))


def test_other_numbers_of_classes_are_read_from_the_file(tmp_path: Path) -> None:
    model = load_model(f"preact-resnet44@{weights(tmp_path, classes=4)}")
    assert model.classes == ("class 0", "class 1", "class 2", "class 3")


@pytest.mark.parametrize(("saved", "asked"), [("relu", "-hhrelu"), ("hhrelu", "")])
def test_the_other_activation_is_named_as_the_remedy(tmp_path: Path, saved: str, asked: str) -> None:
    path = weights(tmp_path, saved)
    remedy = f"ask for preact-resnet44{'-hhrelu' if saved == 'hhrelu' else ''}@{path}"
    with pytest.raises(WeightsError, match=remedy):
        load_model(f"preact-resnet44{asked}@{path}")


def test_weights_without_offset_or_of_another_shape(tmp_path: Path) -> None:
    path = weights(tmp_path)
    tensors = load_file(path)
    offset = tensors.pop("input_offset")
    save_file(tensors, path)
    with pytest.raises(WeightsError, match=r"'input_offset' is missing, expected \(2, 3\)"):
        load_model(f"preact-resnet44@{path}")
    tensors["pipe.1.0.main.0.weight"] = torch.zeros(16, 8, 3, 3)
    save_file({**tensors, "input_offset": offset}, path)
    with pytest.raises(WeightsError, match=r"'pipe.1.0.main.0.weight' has shape \(16, 8, 3, 3\), expected \(16, 16"):
        load_model(f"preact-resnet44@{path}")


@pytest.mark.parametrize(
    ("name", "family", "accuracy"),
    [
        ("standard", "preact-resnet44", 0.950),
        ("adv-train", "preact-resnet44", 0.892),
        ("all", "preact-resnet44-hhrelu", 0.664),
        ("robust", "preact-resnet44-hhrelu", 0.650),
    ],
)
def test_published_accuracy(shared_data: Path, name: str, family: str, accuracy: float) -> None:
    model = load_model(f"{family}@{shared_data}/cifar10/networks/resnet44-{name}.safetensors")
    test = np.load(shared_data / "cifar10" / "test_lossless.npz")
    x = torch.from_numpy(test["x"]).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        guesses = torch.cat([model(batch).argmax(1) for batch in x.split(100)])
    assert (guesses.numpy() == test["y"]).mean() == pytest.approx(accuracy, abs=0.002)
