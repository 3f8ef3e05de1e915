"""DeepFool: exact on linear networks, and its accumulated overshoot does not stall in the box."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from explain_core.models.classifier import Classifier
from tests.attacks.linear import PIXELS, SIDE, attack, straight
from tests.conftest import make_tiny

CLASSES = 12


@pytest.fixture
def several(rng: torch.Generator) -> tuple[Classifier, Tensor, Tensor]:
    """Twelve linear classes and pictures near grey, so that the box is far."""
    model = straight(torch.randn(CLASSES, PIXELS, generator=rng))
    x = 0.5 + 0.05 * torch.randn(8, 3, SIDE, SIDE, generator=rng)
    return model, x, model(x).argmax(1)


@pytest.mark.parametrize(("name", "dual"), [("deepfool-l2", 2.0), ("deepfool-linf", 1.0)])
def test_the_exact_distance_on_a_linear_network(
    name: str, dual: float, several: tuple[Classifier, Tensor, Tensor]
) -> None:
    """In one step: (1 + η) · min_k (f_c − f_k) / ‖w_c − w_k‖, with all classes looked at."""
    model, x, target = several
    weight = model.net[1].weight.detach()  # type: ignore[index,union-attr]
    logits = model(x).detach()
    gap = logits.gather(1, target[:, None]) - logits
    norm = (weight[target][:, None] - weight[None]).norm(p=dual, dim=2)
    exact = (gap / norm).where(gap > 0, torch.inf).amin(1)
    found = attack(name, model, x, target, classes=CLASSES)
    reached = (found.images - x).flatten(1).norm(p=2 if dual == 2 else torch.inf, dim=1)
    assert found.success.all()
    assert torch.allclose(reached, 1.02 * exact, rtol=2e-3, atol=1e-4)
    assert all((spent.forward, spent.backward) == (2, 2 * (CLASSES - 1)) for spent in found.passes)


def plainly(model: Classifier, x: Tensor, target: int, order: int) -> Tensor:
    """The algorithm once more, for one picture (1, c, h, w)."""
    z, total = x, torch.zeros_like(x)
    for _ in range(50):
        leaf = z.clone().requires_grad_()
        logits = model(leaf)[0]
        if int(logits.argmax()) != target:
            return z
        best: tuple[float, Tensor] = (math.inf, x)
        for k in range(len(logits)):
            if k != target:
                gap = logits[k] - logits[target]
                (w,) = torch.autograd.grad(gap, leaf, retain_graph=True)
                distance, far = abs(gap.item()), abs(gap.item()) + 1e-4
                if order == 2:
                    distance, r = distance / float(w.norm()), far / w.square().sum() * w
                else:
                    distance, r = distance / float(w.abs().sum()), far / w.abs().sum() * w.sign()
                best = min(best, (distance, r), key=lambda pair: pair[0])
        total = total + best[1]
        z = (x + 1.02 * total).clamp(0, 1)
    return z


@pytest.mark.parametrize(("name", "order"), [("deepfool-l2", 2), ("deepfool-linf", 1)])
def test_it_is_the_algorithm_step_by_step(name: str, order: int, rng: torch.Generator) -> None:
    """On a curved network, from pictures with many pixels at the edge of the box."""
    model = make_tiny("residual").double()
    x = (2 * torch.rand(6, 3, 16, 16, generator=rng, dtype=torch.float64) - 0.5).clamp(0, 1)
    target = model(x).argmax(1)
    found = attack(name, model, x, target)
    assert min(spent.forward for spent in found.passes) > 2
    for row in range(len(x)):
        expected = plainly(model, x[row : row + 1], int(target[row]), order)
        assert (found.images[row] - expected[0]).abs().max() < 1e-9


def test_only_the_best_classes_are_looked_at(several: tuple[Classifier, Tensor, Tensor]) -> None:
    model, x, target = several
    found = attack("deepfool-l2", model, x, target, classes=3)
    assert {spent.backward // spent.forward for spent in found.passes} == {2}
    assert found.success.all()


@pytest.mark.parametrize("name", ["deepfool-l2", "deepfool-linf"])
def test_it_reaches_the_border_from_the_edge_of_the_box(name: str, rng: torch.Generator) -> None:
    """Black and white pixels: half of every step is clipped away, and it gets there all the same."""
    model = straight(torch.randn(4, PIXELS, generator=rng))
    x = torch.randint(0, 2, (12, 3, SIDE, SIDE), generator=rng).float()
    found = attack(name, model, x, model(x).argmax(1))
    assert found.success.float().mean() > 0.9
    assert ((found.images >= 0) & (found.images <= 1)).all()
    assert max(spent.forward for spent in found.passes) > 2


@pytest.mark.parametrize("name", ["deepfool-l2", "deepfool-linf"])
def test_the_goal_holds_on_the_picture_returned(name: str, any_tiny: Classifier, rng: torch.Generator) -> None:
    x = torch.rand(4, any_tiny.input.channels, 16, 16, generator=rng)
    with torch.no_grad():
        target = any_tiny(x).argmax(1)
    target[0] = (target[0] + 1) % len(any_tiny.classes) if any_tiny.kind != "sigmoid" else target[0]
    found = attack(name, any_tiny, x, target)
    with torch.no_grad():
        margin = any_tiny.margin(any_tiny(found.images), target)
    assert torch.equal(margin < 0, found.success)
    assert torch.allclose(any_tiny(x), found.first, atol=1e-5)
    if any_tiny.kind != "sigmoid":
        assert torch.equal(found.images[0], x[0])
