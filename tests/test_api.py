"""explain(): the whole engine in one call, without a queue."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from explain_core import explain
from explain_core.errors import (
    CannotExplain,
    ImageError,
    InputError,
    ModelError,
    ParamError,
    RhoscopeError,
    TargetError,
    WeightsError,
)
from explain_core.methods import METHODS
from explain_core.models.classifier import Classifier
from tests.contracts.test_methods import quick


@pytest.fixture
def images(rng: torch.Generator) -> Tensor:
    """Three pictures (3, 3, 16, 16)."""
    return torch.rand(3, 3, 16, 16, generator=rng)


def test_answers_come_picture_by_picture_and_by_rho_within(tiny: Classifier, images: Tensor) -> None:
    answers = explain(tiny, images, "explain-plus", target=2, rho=[0.1, 0.01])
    assert [answer.provenance.rho for answer in answers] == [0.1, 0.01] * 3
    shown = [answer.input for answer in answers]
    assert all(np.array_equal(shown[i], images[i // 2].numpy()) for i in range(6))
    assert all(answer.rmse is not None and answer.rmse <= answer.provenance.rho + 1e-6 for answer in answers)


@pytest.mark.parametrize(
    ("method", "rho", "expected"),
    [
        ("explain-plus", None, [0.05]),
        ("explain-plus", "none", [0.05]),
        ("perceptual-ball", None, [None]),
        ("perceptual-ball", "none", [None]),
        ("perceptual-ball", 0.02, [0.02]),
        ("perceptual-ball", ["none", 0.02], [None, 0.02]),
        ("perceptual-ball", np.float32(0.5), [0.5]),
        ("perceptual-ball", (0.5, 1), [0.5, 1.0]),
        ("gradcam", [0.1, 0.2], [None]),
    ],
)
def test_rho_in_all_its_forms(tiny: Classifier, images: Tensor, method: str, rho: Any, expected: list[Any]) -> None:
    steps = {} if method == "gradcam" else {"steps": 5}
    answers = explain(tiny, images[0], method, rho=rho, **steps)
    assert [answer.provenance.rho for answer in answers] == expected


def test_targets_in_all_their_forms(tiny: Classifier, images: Tensor) -> None:
    with torch.no_grad():
        order = tiny(images).argsort(dim=1, descending=True)

    def asked(target: Any) -> list[int]:
        return [answer.provenance.target for answer in explain(tiny, images, "gradcam", target=target)]

    assert asked("top1") == order[:, 0].tolist()
    assert asked("top2") == order[:, 1].tolist()
    assert asked("CLASS 3") == [3, 3, 3]
    assert asked("4") == [4, 4, 4]
    assert asked([0, "class 1", "top1"]) == [0, 1, int(order[2, 0])]


def test_pictures_of_different_sizes_in_any_container(tiny: Classifier, images: Tensor) -> None:
    small = images[0, :, :9, :12]
    answers = explain(tiny, [images[0], small.numpy(), images[1:]], "gradcam", target=1)
    assert [answer.saliency.shape for answer in answers] == [(16, 16), (9, 12), (16, 16), (16, 16)]
    alone = explain(tiny, small, "gradcam", target=1)[0]
    assert np.array_equal(answers[1].saliency, alone.saliency)


def test_a_batch_equals_single_runs_in_float64(tiny: Classifier, images: Tensor) -> None:
    model = tiny.double()
    together = explain(model, images.double(), "explain-plus", target=1, rho=[0.02, 0.05])
    single = explain(model, images.double(), "explain-plus", target=1, rho=[0.02, 0.05], chunk=1)
    for one, other in zip(together, single, strict=True):
        assert one.perturbed is not None
        assert other.perturbed is not None
        assert np.abs(one.perturbed - other.perturbed).max() <= 1e-7  # answers are float32
        assert (len(one.provenance.chunk), len(other.provenance.chunk)) == (6, 1)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_does_not_matter_what_mode_the_caller_is_in(
    tiny: Classifier, images: Tensor, mode: Callable[[], Any]
) -> None:
    expected = explain(tiny, images[0], "explain-plus", steps=5)[0]
    with mode():
        found = explain(tiny, images[0], "explain-plus", steps=5)[0]
    assert np.array_equal(found.saliency, expected.saliency)


def test_progress_rises_to_one(tiny: Classifier, images: Tensor) -> None:
    seen: list[float] = []
    explain(tiny, images, "explain-plus", chunk=2, steps=10, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) > 20


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_comes_back_as_it_was(tiny: Classifier, images: Tensor, fails: bool) -> None:
    tiny.train()
    tiny.net.head.bias.requires_grad_(False)
    was = {name: tensor.clone() for name, tensor in tiny.state_dict().items()}

    def stop(_: float) -> None:
        raise ZeroDivisionError

    if fails:
        with pytest.raises(ZeroDivisionError):
            explain(tiny, images, "explain-plus", progress=stop)
    else:
        explain(tiny, images, "explain-plus", steps=5)
    assert all(module.training for module in tiny.modules())
    assert [name for name, p in tiny.named_parameters() if not p.requires_grad] == ["net.head.bias"]
    assert all(torch.equal(tensor, was[name]) for name, tensor in tiny.state_dict().items())
    assert all(p.grad is None for p in tiny.parameters())


def test_the_same_seed_gives_the_same_bits(tiny: Classifier, images: Tensor) -> None:
    one, other = (explain(tiny, images, "ape", rho=0.05, seed=3, steps=10) for _ in range(2))
    assert all(np.array_equal(a.saliency, b.saliency) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("given", "kind", "told"),
    [
        ({"images": torch.full((3, 8, 8), float("nan"))}, ImageError, "not finite"),
        ({"images": torch.full((3, 8, 8), 2.0)}, ImageError, "values in [0, 1] are needed"),
        ({"images": torch.zeros(3, 8, 8, dtype=torch.uint8)}, ImageError, "divide 8-bit values by 255"),
        ({"images": torch.zeros(8, 8)}, ImageError, "(channels, height, width)"),
        ({"images": torch.zeros(1, 8, 8)}, ImageError, "1 channels"),
        ({"images": torch.zeros(3, 1, 1)}, ImageError, "needs at least 4"),
        ({"images": []}, InputError, "at least one"),
        ({"images": torch.zeros(0, 3, 8, 8)}, InputError, "at least one"),
        ({"images": ["x.png"]}, ImageError, "A str for a picture"),
        ({"target": 5}, TargetError, "out of range"),
        ({"target": -1}, TargetError, "out of range"),
        ({"target": "clas 1"}, TargetError, "did you mean 'class 1'"),
        ({"target": [1, 2]}, TargetError, "2 targets for 3 pictures"),
        ({"method": "gradcm"}, ParamError, "did you mean 'gradcam'"),
        ({"stepz": 3}, ParamError, "did you mean 'steps'"),
        ({"steps": 0}, ParamError, "steps = 0"),
        ({"rho": 0}, ParamError, "rho = 0.0"),
        ({"rho": -0.1}, ParamError, "rho = -0.1"),
        ({"rho": [0.1, "some"]}, ParamError, "rho = 'some'"),
        ({"rho": []}, ParamError, "empty list"),
        ({"rho": True}, ParamError, "rho = True"),
        ({"chunk": 0}, ParamError, "chunk = 0"),
        ({"device": "tpu"}, ModelError, "auto, cpu, cuda"),
    ],
    ids=str,
)
def test_bad_input_is_told_in_one_line(
    tiny: Classifier, images: Tensor, given: dict[str, Any], kind: type[RhoscopeError], told: str
) -> None:
    arguments = {"images": images, "method": "explain-plus", **given}
    with pytest.raises(kind, match=re.escape(told)) as caught:
        explain(tiny, **arguments)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_numbers(tiny: Classifier, images: Tensor) -> None:
    with torch.no_grad():
        tiny.net.head.weight[0, 0] = float("nan")
    for target in ("top1", 2):
        with pytest.raises(WeightsError, match="not finite"):
            explain(tiny, images, "gradcam", target=target)


def test_a_method_that_does_not_apply_says_why(tiny_named: Callable[[str], Classifier], images: Tensor) -> None:
    with pytest.raises(CannotExplain, match="gradcam cannot explain tiny-linear: "):
        explain(tiny_named("linear"), images, "gradcam")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is an accelerator here")
def test_an_accelerator_that_is_not_there(tiny: Classifier, images: Tensor) -> None:
    with pytest.raises(ModelError, match="there is none here; use one of auto, cpu"):
        explain(tiny, images, device="cuda")


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("network", ["grey", "binary"])
def test_every_method_as_a_user_asks(
    tiny_named: Callable[[str], Classifier], network: str, method: str, rng: torch.Generator
) -> None:
    """The contracts ask the methods themselves, on every network; this is the way round, through explain()."""
    model, row = tiny_named(network), METHODS[method]
    images = torch.rand(2, model.input.channels, 16, 16, generator=rng)
    if row.cannot(model):
        pytest.skip(f"{method} does not apply")
    answers = explain(model, images, method, target=1, rho=0.05, **quick(row).as_dict())
    assert all(answer.saliency.shape == (16, 16) and np.isfinite(answer.saliency).all() for answer in answers)
    if row.rho != "none":
        assert all(answer.rmse is not None and answer.rmse <= 0.05 + 1e-6 for answer in answers)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_on_an_accelerator_it_finds_the_same(tiny: Classifier, images: Tensor) -> None:
    here = explain(tiny, images, "explain-plus", device="cpu")
    there = explain(tiny, images, "explain-plus", device="cuda")
    assert there[0].provenance.device.startswith("cuda (")
    assert tiny.mean.device.type == "cpu"
    for one, other in zip(here, there, strict=True):
        assert one.perturbed is not None
        assert other.perturbed is not None
        assert np.abs(one.perturbed - other.perturbed).max() <= 1e-3
