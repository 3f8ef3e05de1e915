"""Spec strings: every form leads to its network, every mistake to one line that says what to write."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from explain_core.data.images import fit, read_picture
from explain_core.errors import DownloadError, ModelError, SpecError, WeightsError
from explain_core.models.classifier import Classifier
from explain_core.models.torchvision_nets import imagenet_classes
from explain_core.models.weights import undrawn
from explain_core.models.zoo import FORMS, MODELS, known_specs, load_model


@pytest.fixture
def squeezenet(tmp_path: Path) -> Path:
    """Seeded weights of a small torchvision network for five classes."""
    path = tmp_path / "five.safetensors"
    save_file(undrawn(lambda: models.squeezenet1_1(weights=None, num_classes=5)).state_dict(), path)
    return path


def test_a_classifier_is_returned_as_it_is(tiny: Classifier) -> None:
    assert load_model(tiny) is tiny
    with pytest.raises(SpecError, match="wrap the network in a Classifier"):
        load_model(nn.Linear(1, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", "No model ''"),
        ("dmeo", "did you mean 'demo'"),
        ("demo@w.safetensors", "the form is demo"),
        ("demo/x", "the form is demo"),
        ("torchvision", "the form is torchvision/NAME"),
        ("torchvision/", "the form is torchvision/NAME"),
        ("torchvision/resnet18@", "the form is torchvision/NAME"),
        ("torchvision/resnet81", "did you mean 'resnet18'"),
        ("torchvision/fasterrcnn_resnet50_fpn", "No network 'fasterrcnn_resnet50_fpn'"),
        ("shipped", "the form is shipped/NAME"),
        ("shipped/..", "No network '..' ships with Rhoscope"),
        ("timm/resnet18", "the form is timm/NAME@FILE"),
        ("preact-resnet44", "the form is preact-resnet44@FILE"),
        ("preact-resnet44-hhrelu@", "the form is preact-resnet44-hhrelu@FILE"),
        ("nets.py", "say which function"),
        ("weights.pth", "weights without a network"),
    ],
)
def test_specs_that_cannot_be_understood(spec: str, words: str) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        load_model(spec)
    assert "\n" not in str(caught.value)


def test_every_row_has_its_form_and_the_embedded_come_first() -> None:
    assert len(FORMS) == len(MODELS) + 1
    assert known_specs()[:2] == ("demo", "demo-shortcut")
    assert "torchvision/resnet50" in known_specs()


def test_class_count_comes_from_the_file(squeezenet: Path) -> None:
    before = torch.get_rng_state()
    spec = f"torchvision/squeezenet1_1@{squeezenet}"
    model = load_model(spec)
    assert torch.equal(before, torch.get_rng_state())
    assert (model.classes[-1], len(model.classes), model.kind, model.spec) == ("class 4", 5, "softmax", spec)
    assert (model.input.size, model.input.resize, model.training) == ((224, 224), 256, False)
    assert model(torch.zeros(1, 3, model.input.smallest, model.input.smallest)).shape == (1, 5)


def test_weights_of_another_network_are_refused(squeezenet: Path) -> None:
    with pytest.raises(WeightsError, match=r"no key 'features.0.0.weight', expected with shape \(32, 3, 3, 3\)"):
        load_model(f"torchvision/mobilenet_v2@{squeezenet}")


def test_one_logit_is_not_taken_for_softmax(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    save_file(undrawn(lambda: models.squeezenet1_1(weights=None, num_classes=1)).state_dict(), path)
    with pytest.raises(WeightsError, match=r"1 output.*kind 'binary'"):
        load_model(f"torchvision/squeezenet1_1@{path}")


@pytest.mark.parametrize(("name", "smallest"), [("alexnet", 63), ("inception_v3", 75), ("vgg11", 32)])
def test_the_smallest_side_works_and_one_less_does_not(tmp_path: Path, name: str, smallest: int) -> None:
    extra = {"init_weights": False, "aux_logits": False} if name == "inception_v3" else {}
    with torch.device("meta"):
        net = models.get_model(name, weights=None, **extra).eval()
    assert net(torch.empty(1, 3, smallest, smallest, device="meta")).shape == (1, 1000)
    with pytest.raises(RuntimeError):
        net(torch.empty(1, 3, smallest - 1, smallest - 1, device="meta"))


@pytest.mark.parametrize(
    "failure", [URLError("no network"), OSError("disk full"), RuntimeError('invalid hash value (expected "f37072fd")')]
)
def test_a_download_that_fails_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failure: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    with pytest.raises(DownloadError, match=r"torchvision/resnet18@FILE.safetensors") as caught:
        load_model("torchvision/resnet18")
    assert "\n" not in str(caught.value)


def test_default_weights_come_from_torchvisions_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights = models.SqueezeNet1_1_Weights.DEFAULT
    net = undrawn(lambda: models.squeezenet1_1(weights=None))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / weights.url.rpartition("/")[2]
    cached.parent.mkdir(parents=True)
    torch.save(net.state_dict(), cached)
    model = load_model("torchvision/squeezenet1_1")
    assert model.classes == imagenet_classes()
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(model(x), net.eval()((x - model.mean) / model.std), atol=1e-6)


def test_timm_is_asked_for_where_it_is_absent(squeezenet: Path) -> None:
    if importlib.util.find_spec("timm"):
        pytest.skip("timm is installed here")
    with pytest.raises(ModelError, match="pip install timm"):
        load_model(f"timm/resnet18@{squeezenet}")


@pytest.mark.parametrize("name", ["resnet10t", "vit_tiny_patch16_224"])
def test_timm_networks(tmp_path: Path, name: str) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    net = undrawn(lambda: timm.create_model(name, num_classes=3)).eval()
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    model = load_model(f"timm/{name}@{tmp_path}/w.safetensors")
    assert model.input.size is not None
    x = torch.rand(1, 3, *model.input.size, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(model(x), net((x - model.mean) / model.std), atol=1e-6)
    assert len(model.classes) == 3


@pytest.mark.parametrize(("name", "least"), [("squeezenet1_1", 0.55), ("mobilenet_v2", 0.65)])
def test_photographs_are_recognised(shared_data: Path, name: str, least: float) -> None:
    folder = shared_data / "imagenet"
    model = load_model(f"torchvision/{name}@{folder}/{name}.safetensors")
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::3]
    right = [guess(model, folder / row["file"]) == int(row["class_index"]) for row in rows]
    assert sum(right) / len(right) >= least


def guess(model: Callable[[torch.Tensor], torch.Tensor], path: Path) -> int:
    assert isinstance(model, Classifier)
    with torch.no_grad():
        return int(model(torch.from_numpy(fit(read_picture(path), model.input))[None]).argmax())


def test_convolutions_lie_with_channels_last_and_count_as_the_same_weights(squeezenet: Path) -> None:
    model = load_model(f"torchvision/squeezenet1_1@{squeezenet}")
    first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    assert first.weight.is_contiguous(memory_format=torch.channels_last)
    assert not first.weight.is_contiguous()
    before = model.sha256()
    assert model.to(memory_format=torch.contiguous_format).sha256() == before
