"""FGSM and PGD: closed forms on linear networks, seeded starts, and another library."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explain_core.descent.projections import rms
from explain_core.models.classifier import Classifier
from tests.attacks.linear import PIXELS, SIDE, attack, straight

EPS = 0.05


@pytest.fixture
def pair(rng: torch.Generator) -> tuple[Classifier, Tensor, Tensor, Tensor]:
    """Two linear classes, grey pictures far from the box, their classes, and the slope away from each."""
    weight = torch.randn(2, PIXELS, generator=rng)
    x = 0.5 + 0.1 * torch.rand(6, 3, SIDE, SIDE, generator=rng)
    model = straight(weight)
    target = model(x).argmax(1)
    away = (weight[1 - target] - weight[target]).view_as(x)
    return model, x, target, away


def test_one_signed_step(pair: tuple[Classifier, Tensor, Tensor, Tensor]) -> None:
    model, x, target, away = pair
    found = attack("fgsm", model, x, target, eps=EPS)
    assert torch.allclose(found.images, x + EPS * away.sign(), atol=1e-6)
    assert torch.equal(found.success, model(found.images).argmax(1) != target)


@pytest.mark.parametrize("random_start", [False, True])
def test_many_signed_steps_end_in_the_corner(
    random_start: bool, pair: tuple[Classifier, Tensor, Tensor, Tensor]
) -> None:
    model, x, target, away = pair
    found = attack("pgd-linf", model, x, target, eps=EPS, random_start=random_start)
    assert torch.allclose(found.images, x + EPS * away.sign(), atol=1e-6)


def test_many_steps_in_l2_end_at_the_balls_edge(pair: tuple[Classifier, Tensor, Tensor, Tensor]) -> None:
    model, x, target, away = pair
    found = attack("pgd-l2", model, x, target, eps=EPS)
    unit = away / away.flatten(1).square().mean(1).sqrt().view(-1, 1, 1, 1)
    assert torch.allclose(found.images, x + EPS * unit, atol=1e-5)
    started = attack("pgd-l2", model, x, target, eps=EPS, random_start=True, step=EPS)
    assert torch.cosine_similarity((started.images - x).flatten(1), away.flatten(1)).min() > 0.9999


@pytest.mark.parametrize("name", ["fgsm", "pgd-linf", "pgd-l2"])
def test_rho_is_epsilon_row_by_row(name: str, tiny: Classifier, rng: torch.Generator) -> None:
    x = torch.rand(3, 3, 16, 16, generator=rng)
    rho = [0.001, 0.01, 0.1]
    found = attack(name, tiny, x, tiny(x).argmax(1), rho=rho)
    change = (found.images - x).abs().flatten(1).amax(1) if name != "pgd-l2" else rms(found.images - x)
    assert (change <= torch.tensor(rho) + 1e-7).all()
    assert (change >= 0.99 * torch.tensor(rho)).all()
    assert ((found.images >= 0) & (found.images <= 1)).all()


@pytest.mark.parametrize("name", ["pgd-linf", "pgd-l2"])
def test_a_random_start_belongs_to_its_row(name: str, tiny: Classifier, rng: torch.Generator) -> None:
    """Equal pictures with different keys start apart; neighbours and order change nothing; the start costs no pass."""
    model = tiny.double()
    x = torch.rand(1, 3, 16, 16, generator=rng, dtype=torch.float64).expand(3, -1, -1, -1)
    target = model(x).argmax(1)
    found = attack(name, model, x, target, keys=("a", "b", "a"), random_start=True, steps=1, step=1e-4)
    assert torch.equal(found.images[0], found.images[2])
    assert (found.images[0] - found.images[1]).abs().max() > 1e-3
    alone = attack(name, model, x[:1], target[:1], keys=("b",), random_start=True, steps=1, step=1e-4)
    assert (alone.images[0] - found.images[1]).abs().max() < 1e-12
    assert (found.passes[0].forward, found.passes[0].backward) == (3, 1)
    assert torch.allclose(found.first, model(x))


@pytest.mark.parametrize("name", ["fgsm", "pgd-linf", "pgd-l2"])
def test_a_row_that_is_wrong_already_is_done_at_once(name: str, tiny: Classifier, rng: torch.Generator) -> None:
    x = torch.rand(2, 3, 16, 16, generator=rng)
    with torch.no_grad():
        target = tiny(x).argmax(1)
    target[0] = (target[0] + 1) % 5
    found = attack(name, tiny, x, target)
    assert torch.equal(found.images[0], x[0])
    assert found.success[0]
    assert found.passes[0].forward == 1
    assert (found.images[1] != x[1]).any()
