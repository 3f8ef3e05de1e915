"""The confident attack: on two linear classes in closed form; the wrong class stays fixed."""

from __future__ import annotations

import math

import pytest
import torch

from explain_core.descent.projections import rms
from explain_core.models.classifier import Classifier
from tests.attacks.linear import PIXELS, SIDE, attack, straight


@pytest.mark.parametrize(("rule", "steep"), [("triangular", 1), ("paper", 1), ("triangular", 100)])
def test_two_linear_classes(rule: str, steep: int, rng: torch.Generator) -> None:
    """A lead of 0.5 in probability is a lead of ln 3 in logits; a steep network is sure as soon as it crosses."""
    weight = steep * torch.randn(2, PIXELS, generator=rng)
    x = 0.5 + 0.02 * torch.randn(5, 3, SIDE, SIDE, generator=rng)
    model = straight(weight)
    logits = model(x).detach()
    exact = (logits.diff(dim=1).abs()[:, 0] + math.log(3)) / (weight[0] - weight[1]).norm() / math.sqrt(PIXELS)
    found = attack("confident", model, x, logits.argmax(1), rule=rule, size=2 if steep == 1 else 10)
    assert found.success.all()
    assert (rms(found.images - x) >= exact * (1 - 1e-4)).all()
    assert (rms(found.images - x) <= exact * 1.05 + 1e-4).all()
    assert torch.allclose(found.first, logits)


def test_the_goal_holds_on_the_picture_returned(tiny: Classifier, rng: torch.Generator) -> None:
    x = 0.2 * torch.rand(4, 3, 16, 16, generator=rng)
    with torch.no_grad():
        target = tiny(x).argmax(1)
    easy = attack("confident", tiny, x, target, margin=0.01)
    hard = attack("confident", tiny, x, target, margin=0.05)
    for margin, found in ((0.01, easy), (0.05, hard)):
        p = tiny.probabilities(tiny(found.images).detach())
        best = p.topk(2, dim=1)
        holds = (best.indices[:, 0] != target) & (best.values.diff(dim=1)[:, 0] < -margin + 1e-5)
        assert holds[found.success].all()
        assert found.success.any()
    both = easy.success & hard.success
    assert (rms(easy.images - x)[both] < rms(hard.images - x)[both]).all()


def test_what_is_sure_and_wrong_already_is_done_at_once(rng: torch.Generator) -> None:
    model = straight(10 * torch.randn(3, PIXELS, generator=rng))
    x = torch.rand(2, 3, SIDE, SIDE, generator=rng)
    target = (model(x).argmax(1) + 1) % 3
    found = attack("confident", model, x, target)
    assert found.success.all()
    assert torch.equal(found.images, x)
    assert found.passes[0].forward == 2
