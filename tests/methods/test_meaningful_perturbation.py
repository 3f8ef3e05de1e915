"""Meaningful perturbation: a network that reads one quadrant, a plain loop with torch's Adam, presets to the letter."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explain_core.descent.losses import gradient_power
from explain_core.descent.view import Rows
from explain_core.engine.lending import lend
from explain_core.methods.meaningful_perturbation import (
    METHOD,
    MeaningfulPerturbationParams,
    drawn,
    enlarged,
    shifted,
)
from explain_core.methods.smoothing import gaussian
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.types import Question
from tests.methods.closed import asked, linear, pictures

TARGET = torch.tensor([2, 0, 2])


class Quadrant(nn.Module):
    """Class 0 is as likely as the upper left quadrant of 16 × 16 pixels is bright, or the brighter upper one."""

    def __init__(self, mirrored: bool) -> None:
        super().__init__()
        self.mirrored = mirrored

    def forward(self, z: Tensor) -> Tensor:
        seen = z[:, :, :8, :8].mean((1, 2, 3))
        if self.mirrored:
            seen = torch.maximum(seen, z[:, :, :8, 8:].mean((1, 2, 3)))
        return torch.stack([20 * (seen - 0.5), 0 * seen], 1)


def quadrant(mirrored: bool = False) -> Classifier:
    return Classifier(Quadrant(mirrored), classes=("a", "b"), kind="softmax", input=InputSpec(1)).double().eval()


@pytest.mark.parametrize("preset", ["fv-2017", "ape-2018"])
def test_the_quadrant_that_is_read_is_hidden(preset: str) -> None:
    x = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    x[:, :, 2::4, 2::4] = 0.9
    x[:, :, :8, :8] = 0.9
    found = asked(
        METHOD, quadrant(), x, torch.tensor([0]), preset=preset, reference="mean", grid=8, alpha=0.3, beta=0.5
    )
    hidden = found.saliency[0]
    assert float(hidden[:8, :8].mean()) > 3 * float(hidden[8:, :].mean())
    assert float(hidden[10:, 10:].max()) < 0.05
    assert found.perturbed is not None
    assert float(found.before.softmax(1)[0, 0]) > 0.99
    assert found.after is not None
    assert float(found.after.softmax(1)[0, 0]) < 0.1


@pytest.mark.parametrize("tau", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("jitter", [0, 3])
def test_a_plain_loop_with_torchs_adam(tau: float, jitter: int) -> None:
    """The published objective, written down once more."""
    model, _ = linear()
    x, target, steps = pictures()[:1], TARGET[:1], 20
    knobs = {"preset": "fv-2017", "tau": tau, "alpha": 0.2, "beta": 3.0, "grid": 3, "jitter": jitter, "steps": steps}
    found = asked(METHOD, model, x, target, **knobs)
    params = METHOD.params.build(knobs)
    assert isinstance(params, MeaningfulPerturbationParams)
    rows, start = drawn(Rows(x, target), Question(x, target, keys=("picture 0",)), params)
    shifts = rows.extra["shifts"][0]
    blurred = gaussian(x[0], 10 / 224 * 6)[None]
    z = start.clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=0.1)
    with lend(model):
        for step in range(steps):
            large = F.interpolate(z[None], size=(6, 6), mode="nearest")
            large = gaussian(large[0], 5 / 8 * 2)[None]
            top, left = shifts[step].tolist()
            kept, hidden = (
                F.pad(part, (jitter // 2, jitter - jitter // 2) * 2, mode="replicate")[
                    :, :, top : top + 6, left : left + 6
                ]
                for part in (x, blurred)
            )
            image = kept * large + hidden * (1 - large)
            down, across = (torch.zeros(3, 3, dtype=torch.float64) for _ in range(2))
            down[:-1], across[:, :-1] = z[0, 1:] - z[0, :-1], z[0, :, 1:] - z[0, :, :-1]
            rough = (down.square() + across.square() + 1e-12).sqrt().pow(tau).mean()
            loss = model(image).softmax(1)[0, target[0]] + 0.2 * (1 - z).mean() + 3 * rough
            adam.zero_grad()
            loss.backward()
            adam.step()
            with torch.no_grad():
                z.clamp_(0, 1)
    kept = F.interpolate(z.detach()[None], size=(6, 6), mode="nearest")[0]
    assert torch.allclose(found.saliency, 1 - gaussian(kept, 5 / 8 * 2), atol=1e-9)


def test_a_mask_is_enlarged_by_nearest_neighbour_and_blur() -> None:
    """28 cells on 224 pixels: eight times, then σ = 5 pixels, as published."""
    masks = torch.rand(2, 28, 28, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    large = masks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    assert torch.allclose(enlarged(masks, torch.Size([224, 224])), gaussian(large, 5), atol=1e-12)
    assert torch.allclose(enlarged(torch.ones(1, 5, 7), torch.Size([31, 64])), torch.ones(1, 31, 64), atol=1e-6)


def test_presets_to_the_letter() -> None:
    def settings(**knobs: object) -> tuple[float, float, float, int, int]:
        params = MeaningfulPerturbationParams.build(knobs)
        return *params.weights(28 * 28), params.power, params.shifts, params.settings.best

    assert settings() == (pytest.approx(784e-4), pytest.approx(7.84), 3, 4, 1)
    assert settings(preset="fv-2017-localisation") == (pytest.approx(0.784), pytest.approx(7.84), 2, 4, 5)
    assert settings(preset="ape-2018") == (0.01, pytest.approx(0.2 * 28 / 1024), 1, 0, 1)
    assert settings(preset="ape-2018", alpha=6, beta=120, tau=3) == (6, pytest.approx(120 * 28 / 1024), 3, 0, 1)
    assert MeaningfulPerturbationParams().cells(224, 336) == (28, 42)


def test_localisation_counts_the_five_best_classes() -> None:
    """With no price on the mask, the sum over four of four classes is 1 whatever is hidden: the mask rests."""
    model, _ = linear()
    knobs = {"preset": "fv-2017-localisation", "alpha": 0, "beta": 0, "jitter": 0}
    found = asked(METHOD, model, pictures(), TARGET, **knobs)
    assert torch.allclose(found.trace["loss"], torch.ones_like(found.trace["loss"]))


def test_a_threshold_hides_whole_pixels() -> None:
    model, _ = linear()
    x = pictures()
    found = asked(METHOD, model, x, TARGET, reference="min", grid=6, threshold=0.4)
    least = x.flatten(1).amin(1).view(-1, 1, 1, 1).expand_as(x)
    assert found.mask is not None
    assert found.perturbed is not None
    assert torch.equal(found.mask, found.saliency >= 0.4)
    assert torch.equal(found.perturbed, least.where(found.mask[:, None], x))
    assert 0 < float(found.numbers["mask share"].mean()) < 1


def test_pictures_are_shifted_about_the_middle() -> None:
    x = torch.arange(25.0).view(1, 1, 5, 5).expand(2, -1, -1, -1)
    shifts = torch.tensor([[[2, 2], [0, 3]], [[1, 2], [3, 0]]])
    first, second = (shifted(x, shifts[:, step], 4)[:, 0] for step in range(2))
    assert torch.equal(first[0], x[0, 0])
    assert torch.equal(first[1, 1:], x[0, 0, :-1])
    assert torch.equal(first[1, 0], x[0, 0, 0])
    assert torch.equal(second[0, 2:, :4], x[0, 0, :3, 1:])
    assert torch.equal(second[1, :4, 2:], x[0, 0, 1:, :3])


def test_the_gradient_of_a_map_by_hand_and_flat() -> None:
    ramp = torch.tensor([[[0.0, 3.0], [4.0, 4.0]]])
    assert gradient_power(ramp, 1).tolist() == pytest.approx([5 + 1 + 0 + 0], abs=1e-5)
    assert gradient_power(ramp, 3).tolist() == pytest.approx([125 + 1], abs=1e-4)
    flat = torch.ones(1, 3, 3, requires_grad=True)
    gradient_power(flat, 1).sum().backward()
    assert flat.grad is not None
    assert torch.equal(flat.grad, torch.zeros_like(flat))
