"""Fine-tuning: everything but the head comes from the file; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision import models

from explain_core.errors import DataError, ParamError, RhoscopeError, SpecError, WeightsError
from explain_core.models.architectures import Shape, build, get_architecture
from explain_core.models.weights import undrawn

COLOUR = Shape(3, (64, 64), 4)


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seeded weights of a small torchvision network for five classes."""
    path = tmp_path_factory.mktemp("weights") / "five.safetensors"
    save_file(undrawn(lambda: models.squeezenet1_1(weights=None, num_classes=5)).state_dict(), path)
    return path


def test_the_body_is_the_files_and_the_head_is_fresh_for_the_datas_classes(squeezenet: Path) -> None:
    heads = []
    for seed in (1, 1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = build("finetune", {"network": f"squeezenet1_1@{squeezenet}"}, COLOUR)
        heads.append(net.get_parameter("classifier.1.weight"))
    given, now = load_file(squeezenet), net.state_dict()
    assert [key for key in now if now[key].shape == given[key].shape and not torch.equal(now[key], given[key])] == []
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    y = net.train()(torch.randn(2, 3, 64, 64))
    assert y.shape == (2, 4)
    y.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in net.parameters())


def test_pixels_are_normalised_as_the_weights_want_them() -> None:
    row = get_architecture("finetune")
    assert row.normalisation is not None
    found = row.normalisation(row.params.build({"network": "squeezenet1_1"}))
    assert (found.mean, found.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_an_outline_reads_no_file() -> None:
    row = get_architecture("finetune")
    net = row.outline(row.params.build({"network": "squeezenet1_1@/nowhere.safetensors"}), COLOUR)
    assert net.get_parameter("classifier.1.weight").shape[0] == 4


@pytest.mark.parametrize(
    ("network", "shape", "error", "words"),
    [
        ("resnet81", COLOUR, SpecError, "did you mean 'resnet18'"),
        ("", COLOUR, ParamError, "NAME or NAME@FILE"),
        ("resnet18@/nowhere.safetensors", COLOUR, WeightsError, "No such file"),
        ("resnet18@{file}", COLOUR, WeightsError, "no key 'conv1.weight'"),
        ("resnet18", Shape(1, (64, 64), 4), DataError, "torchvision/resnet18 takes 3"),
        ("alexnet", COLOUR, None, ""),
        ("alexnet", Shape(3, (62, 62), 4), DataError, "needs at least 63"),
        ("vit_b_16", COLOUR, DataError, "takes 224 × 224 only"),
    ],
)
def test_what_cannot_be_fine_tuned(
    squeezenet: Path, network: str, shape: Shape, error: type[RhoscopeError] | None, words: str
) -> None:
    row = get_architecture("finetune")
    knobs = {"network": network.format(file=squeezenet)}
    if error is None:
        row.outline(row.params.build(knobs), shape)
        return
    with pytest.raises(error, match=words) as caught:
        build("finetune", knobs, shape)
    assert "\n" not in str(caught.value)
