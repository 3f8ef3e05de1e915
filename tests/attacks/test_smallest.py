"""Algorithm 1's smallest changes, against closed forms on linear networks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from explain_core.attacks import ATTACKS
from explain_core.descent.projections import rms
from explain_core.engine.lending import lend
from explain_core.models.classifier import Classifier
from explain_core.types import Question
from tests.attacks.linear import PIXELS, SIDE, attack, straight
from tests.conftest import make_tiny
from tests.descent.walking import walk


@pytest.fixture
def pair(rng: torch.Generator) -> tuple[Classifier, Tensor, Tensor]:
    """Two classes, six pictures near grey, and the exact smallest RMSE to the border between the classes."""
    weight = torch.randn(2, PIXELS, generator=rng)
    model = straight(weight)
    x = 0.5 + 0.02 * torch.randn(6, 3, SIDE, SIDE, generator=rng)
    with torch.no_grad():
        margin = model(x).diff(dim=1).abs()[:, 0]
    return model, x, margin / (weight[0] - weight[1]).norm() / math.sqrt(PIXELS)


@pytest.mark.parametrize("rule", ["triangular", "paper", "smaller"])
@pytest.mark.parametrize("name", ["adv", "btr"])
def test_two_linear_classes_are_parted_at_their_distance(
    name: str, rule: str, pair: tuple[Classifier, Tensor, Tensor]
) -> None:
    """With two classes, below chance is the same as no longer the decision."""
    model, x, exact = pair
    target = model(x).argmax(1)
    found = attack(name, model, x, target, rule=rule, size=2)
    assert found.success.all()
    reached = rms(found.images - x)
    assert (reached >= exact * (1 - 1e-4)).all()
    assert (reached <= exact * 1.05 + 1e-4).all()


def plainly(model: Classifier, x: Tensor, target: int, steps: int, size: float, clip: bool) -> tuple[float, float]:
    """The authors' rule once more, for one picture: the smallest RMSE that fooled, and the largest tried."""
    z, velocity, smallest, largest = x, torch.zeros_like(x), math.inf, 0.0
    for n in range(steps + 1):
        leaf = z.clone().requires_grad_()
        logits = model(leaf)
        goal, rmse = int(logits.argmax()) != target, float((z - x).square().mean().sqrt())
        smallest, largest = min(smallest, rmse) if goal else smallest, max(largest, rmse)
        (direction,) = torch.autograd.grad(model.log_odds(logits, torch.tensor([target])).sum(), leaf)
        direction = z - x if goal else direction
        velocity = 0.9 * velocity + 0.1 * direction / direction.square().mean().sqrt()
        z = z - size * 2 * (steps - n) / (steps * (steps + 1)) * velocity
        z = z.clamp(0, 1) if clip else z
    return smallest, largest


@pytest.mark.parametrize("clip", [True, False])
def test_it_is_the_algorithm_step_by_step(clip: bool, rng: torch.Generator) -> None:
    model = make_tiny("residual").double()
    x = torch.rand(4, 3, 16, 16, generator=rng, dtype=torch.float64)
    target = model(x).argmax(1)
    found = attack("adv", model, x, target, steps=60, size=10, clip=clip)
    expected = torch.tensor([plainly(model, x[i : i + 1], int(target[i]), 60, 10, clip) for i in range(4)])
    assert found.success.all()
    assert torch.allclose(rms(found.images - x), expected[:, 0].double(), rtol=0, atol=1e-6)
    assert torch.allclose(found.visited, expected[:, 1].double(), rtol=0, atol=1e-6)


def test_the_smaller_of_both_rules(tiny: Classifier, rng: torch.Generator) -> None:
    x = torch.rand(5, 3, 16, 16, generator=rng)
    target = tiny(x).argmax(1)
    sizes = [
        rms(attack("adv", tiny, x, target, rule=rule, steps=60, size=4).images - x)
        for rule in ("triangular", "paper", "smaller")
    ]
    assert torch.allclose(sizes[2], torch.minimum(sizes[0], sizes[1]), atol=1e-6)


@pytest.mark.parametrize("name", ["adv", "btr"])
def test_the_goal_holds_on_the_picture_returned(name: str, any_tiny: Classifier, rng: torch.Generator) -> None:
    x = torch.rand(4, any_tiny.input.channels, 16, 16, generator=rng)
    with torch.no_grad():
        target = any_tiny(x).argmax(1)
    found = attack(name, any_tiny, x, target, steps=60)
    with torch.no_grad():
        after = any_tiny(found.images)
    assert torch.allclose(after, found.after, atol=1e-4)
    goal = any_tiny.margin(after, target) if name == "adv" else any_tiny.log_odds(after, target) + _chance(any_tiny)
    assert (goal[found.success] < 1e-4).all()
    assert ((found.images >= 0) & (found.images <= 1)).all()
    assert (found.visited >= rms(found.images - x) * (1 - 1e-6)).all()


def _chance(model: Classifier) -> float:
    return math.log(len(model.classes) - 1)


def test_a_row_that_is_wrong_already_is_done_at_once(tiny: Classifier, rng: torch.Generator) -> None:
    x = torch.rand(3, 3, 16, 16, generator=rng)
    with torch.no_grad():
        target = tiny(x).argmax(1)
    target[1] = (target[1] + 1) % 5
    found = attack("adv", tiny, x, target, steps=30)
    assert torch.equal(found.images[1], x[1])
    assert found.success[1]
    assert found.passes[1].forward == 1
    assert found.passes[0].forward == 31


def test_where_nothing_is_found_the_largest_change_tried_is_told() -> None:
    """A constant network is never fooled; its zero gradient is a zero step."""
    model = straight(torch.zeros(2, PIXELS), torch.tensor([1.0, 0.0]))
    x = torch.full((2, 3, SIDE, SIDE), 0.5)
    found = attack("adv", model, x, torch.zeros(2, dtype=torch.long), steps=20)
    assert not found.success.any()
    assert torch.equal(found.visited, torch.zeros(2))
    tilted = straight(torch.ones(2, 48) * torch.tensor([[1.0], [0.0]]))
    found = attack("adv", tilted, x + 0.25, torch.zeros(2, dtype=torch.long), steps=50)
    assert not found.success.any()  # within [0, 1] the first class never loses
    assert torch.allclose(found.visited, torch.full((2,), 0.75), atol=1e-6)
    free = attack("adv", tilted, x + 0.25, torch.zeros(2, dtype=torch.long), steps=50, clip=False)
    assert free.success.all()
    assert (free.images < 0).any()


@pytest.mark.parametrize("rule", ["triangular", "smaller"])
def test_dropped_rows_leave_and_the_others_never_notice(rule: str, tiny: Classifier, rng: torch.Generator) -> None:
    model = tiny.double()
    x = torch.rand(3, 3, 16, 16, generator=rng, dtype=torch.float64)
    with torch.no_grad():
        target = model(x).argmax(1)
    whole = attack("adv", model, x, target, steps=20, rule=rule)
    row = ATTACKS["adv"]
    with lend(model):
        part, _ = walk(
            row.run(model, Question(x, target), row.params.build({"steps": 20, "rule": rule})),
            drop=lambda step: frozenset({1}) if step.done == 3 else None,
        )
    assert (part.images[[0, 2]] - whole.images[[0, 2]]).abs().max() < 1e-9
    assert part.passes[1].forward == 3
