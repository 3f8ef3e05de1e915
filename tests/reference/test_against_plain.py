"""Every method against its plain re-derivation, image by image."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from explain_core.methods import METHODS
from explain_core.methods.ape import ApeParams
from explain_core.methods.gradcam import CONVOLUTIONS
from explain_core.models.classifier import Classifier
from explain_core.types import Explanation, Question
from tests.descent.walking import walk
from tests.reference import plain

CONVOLUTIONAL = ["functional", "in-place", "reused", "residual", "grey"]


def asked(model: Classifier, rng: torch.Generator, count: int = 3, rho: float | None = None) -> Question:
    dtype = next(model.parameters()).dtype
    x = torch.rand(count, model.input.channels, 16, 16, generator=rng, dtype=torch.float64).to(dtype)
    with torch.no_grad():
        target = model(x).argmax(1)
    return Question(x, target, None if rho is None else torch.full((count,), rho, dtype=dtype))


def answer(name: str, model: Classifier, question: Question, knobs: dict[str, object]) -> Explanation:
    method = METHODS[name]
    found, _ = walk(method.run(model, question, method.params.build(knobs)))
    return found


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_gradcam(tiny_named: Callable[[str], Classifier], name: str, rng: torch.Generator) -> None:
    model = tiny_named(name).double()
    question = asked(model, rng)
    found = answer("gradcam", model, question, {})
    layer = [module for module in model.net.modules() if isinstance(module, CONVOLUTIONS)][-1]
    for row, x, t in zip(found.saliency, question.images, question.target.tolist(), strict=True):
        coarse = plain.gradcam(model, layer, x, t) if name != "in-place" else None
        if coarse is None:  # an in-place ReLU spoils what a plain hook keeps
            continue
        fine = nn.functional.interpolate(coarse[None, None], size=(16, 16), mode="bilinear")[0, 0]
        assert torch.allclose(row, fine, atol=1e-12)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ["functional", "residual", "grey"])
def test_adversarial_explanation(
    tiny_named: Callable[[str], Classifier], name: str, sign: int, rng: torch.Generator
) -> None:
    model = tiny_named(name).double()
    question = asked(model, rng, rho=0.05)
    found = answer("explain-plus" if sign > 0 else "explain-minus", model, question, {"steps": 20})
    assert found.perturbed is not None
    for row, x, t in zip(found.perturbed, question.images, question.target.tolist(), strict=True):
        theirs = plain.explain_plus(model, x, t, 0.05, 20, sign=sign)
        assert torch.allclose(row, theirs, atol=1e-9)


def test_ape(tiny_named: Callable[[str], Classifier], rng: torch.Generator) -> None:
    model = tiny_named("functional").double()
    question = asked(model, rng)
    knobs = {"alpha": 0.05, "beta": 5.0, "steps": 60}
    found = answer("ape", model, question, knobs)
    assert found.mask is not None
    assert found.perturbed is not None
    for row, x in enumerate(question.images):
        mask, picture = plain.ape(
            model, x, int(question.target[row]), alpha=0.05, beta=5.0, steps=60, rate=ApeParams().rate
        )
        assert torch.equal(found.mask[row], mask)
        assert torch.allclose(found.perturbed[row], picture, atol=1e-9)


def vgg(dtype: torch.dtype) -> tuple[Classifier, Tensor, Tensor]:
    """torchvision's VGG-11 with batch norm, seeded, its statistics calibrated on seeded pictures, at 64 × 64."""
    from torchvision.models import vgg11_bn

    from explain_core.models.classifier import InputSpec

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = vgg11_bn(num_classes=10)
        smooth = nn.functional.interpolate(torch.rand(20, 3, 8, 8), size=(64, 64), mode="bicubic").clamp(0, 1)
        model = Classifier(
            net,
            classes=[str(index) for index in range(10)],
            kind="softmax",
            input=InputSpec(3),
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            spec="vgg11_bn",
        )
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None
        with torch.no_grad():
            model.train()(smooth)
    model = model.eval().to(dtype)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    x = smooth[:4].to(dtype)
    with torch.no_grad():
        return model, x, model(x).argmax(1)


KNOBS: dict[str, object] = {"preset": "pb-2021", "history": 100, "steps": 60, "layers": "2-5", "blur": 0.0}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_perceptual_ball_rows_are_single_runs() -> None:
    """Must show 4, float64: a batch of 4 equals 4 single runs to 1e-9."""
    model, x, target = vgg(torch.float64)
    together = answer("perceptual-ball", model, Question(x, target), KNOBS)
    for row in range(4):
        alone = answer("perceptual-ball", model, Question(x[row : row + 1], target[row : row + 1]), KNOBS)
        difference = (together.saliency[row] - alone.saliency[0]).abs().max()
        print(f"row {row}: saliency differs by {difference:.1e}, largest {together.saliency[row].max():.1e}")
        assert difference < 1e-9
        assert abs(float(together.numbers["loss"][row] - alone.numbers["loss"][0])) < 1e-9


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_perceptual_ball_is_the_authors_code() -> None:
    """Must show 4, float32: loss at most 1.01 × that of a single-image torch L-BFGS, and the same map."""
    compare_with_torch(*vgg(torch.float32), dict(KNOBS))


def test_perceptual_ball_is_the_authors_code_in_small(
    tiny_named: Callable[[str], Classifier], rng: torch.Generator
) -> None:
    model = tiny_named("in-place").double()
    question = asked(model, rng)
    compare_with_torch(model, question.images, question.target, {**KNOBS, "layers": "0-1", "steps": 40})


def compare_with_torch(model: Classifier, x: Tensor, target: Tensor, knobs: dict[str, object]) -> None:
    found = answer("perceptual-ball", model, Question(x, target), knobs)
    first, last = (int(number) for number in str(knobs["layers"]).split("-"))
    relus = [module for module in model.net.modules() if isinstance(module, nn.ReLU)][first : last + 1]

    def features(z: Tensor) -> tuple[Tensor, list[Tensor]]:
        kept: list[Tensor] = []
        handles = [relu.register_forward_hook(lambda _m, _i, out: kept.append(out.clone())) for relu in relus]
        logits = model.present(model.net(z))
        for handle in handles:
            handle.remove()
        return logits, kept

    for row in range(len(x)):
        start = ((x[row : row + 1] - model.mean) / model.std)[0]
        z, loss = plain.perceptual_ball(
            features, start, int(target[row]), weights=[1e4] * len(relus), steps=int(str(knobs["steps"]))
        )
        ours = float(found.numbers["loss"][row])
        agreement = spearmanr(found.saliency[row].flatten(), (z - start).square().mean(0).sqrt().flatten()).statistic
        print(f"row {row}: loss {ours:.6f}, torch's {loss:.6f}; maps' Spearman {agreement:.5f}")
        assert ours <= 1.01 * loss
        assert agreement >= 0.99
