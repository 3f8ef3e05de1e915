"""The fast search for the smallest change, against closed forms on linear networks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from explain_core.attacks import ATTACKS
from explain_core.attacks.decoupled import SHARE, phases
from explain_core.attacks.goals import above_chance, below_chance, fooled
from explain_core.descent.projections import rms
from explain_core.engine.lending import lend
from explain_core.errors import ParamError
from explain_core.metrics import METRICS
from explain_core.models.classifier import Classifier
from explain_core.types import Question
from tests.attacks.linear import PIXELS, SIDE, attack, straight
from tests.descent.walking import walk

GOALS = {"adv": fooled, "btr": below_chance}


@pytest.fixture
def many(rng: torch.Generator) -> tuple[Classifier, Tensor, Tensor]:
    """Five linear classes and eight pictures near grey, with the classes decided."""
    model = straight(torch.randn(5, PIXELS, generator=rng))
    x = 0.5 + 0.02 * torch.randn(8, 3, SIDE, SIDE, generator=rng)
    with torch.no_grad():
        return model, x, model(x).argmax(1)


def nearest_border(model: Classifier, x: Tensor, target: Tensor) -> Tensor:
    """The exact RMSE to the nearest class: min over k of (y_t − y_k) / ‖w_t − w_k‖ / √n."""
    weight = model.net[1].weight.detach()
    with torch.no_grad():
        y = model(x)
    gap, slope = y.gather(1, target[:, None]) - y, (weight[target][:, None] - weight).norm(dim=2)
    return (gap / slope).masked_fill(gap == 0, math.inf).amin(1) / math.sqrt(PIXELS)


def test_the_nearest_of_several_classes_is_found(many: tuple[Classifier, Tensor, Tensor]) -> None:
    """The most probable other class is not always the nearest."""
    model, x, target = many
    found = attack("adv", model, x, target, rule="fast")
    exact = nearest_border(model, x, target)
    assert found.success.all()
    assert (rms(found.images - x) >= exact * (1 - 1e-5)).all()
    assert (rms(found.images - x) <= exact * 1.005).all()


def test_below_chance_is_reached_where_the_border_is_nearest(many: tuple[Classifier, Tensor, Tensor]) -> None:
    """At the smallest change the change lies along the border's normal, and the log-odds are those of chance."""
    model, x, target = many
    found = attack("btr", model, x, target, rule="fast")
    leaf = found.images.clone().requires_grad_()
    gap = above_chance(model, model(leaf), target)
    (normal,) = torch.autograd.grad(gap.sum(), leaf)
    cosine = torch.cosine_similarity((x - found.images).flatten(1), normal.flatten(1))
    assert found.success.all()
    assert (gap < 0).all()
    assert (gap > -0.02).all()
    assert (cosine > 0.995).all()


def test_a_less_probable_class_that_is_nearer_wins() -> None:
    """Class 1 is 0.05 logits away and 0.51 pixels, class 2 half a logit and 0.204: greed would take the first."""
    weight = torch.zeros(3, PIXELS)
    weight[1, :24], weight[2, 24:] = 0.02, 0.5
    model = straight(weight, torch.tensor([0.0, -0.05 - 0.24, -0.5 - 6.0]))
    x, target = torch.full((1, 3, SIDE, SIDE), 0.5), torch.zeros(1, dtype=torch.long)
    found = attack("adv", model, x, target, rule="fast")
    assert found.after.argmax(1).item() == 2
    assert rms(found.images - x).item() == pytest.approx(0.5 / (0.5 * 24**0.5) / math.sqrt(PIXELS), rel=0.005)


def test_a_class_that_cannot_be_reached_does_not_win() -> None:
    """Class 1 is nearest, but the only pixel that counts for it is black already: no change at all, and no success."""
    weight = torch.zeros(3, PIXELS)
    weight[0, 0], weight[2, 24:] = 1, 0.5
    weight[2, 0] = 1
    model = straight(weight, torch.tensor([0.0, -0.05, -0.5 - 6.0]))
    x, target = torch.full((1, 3, SIDE, SIDE), 0.5), torch.zeros(1, dtype=torch.long)
    x[0, 0, 0, 0] = 0
    found = attack("adv", model, x, target, rule="fast")
    assert found.success.all()
    assert rms(found.images - x).item() == pytest.approx(0.5 / (0.5 * 24**0.5) / math.sqrt(PIXELS), rel=0.005)


@pytest.mark.parametrize("name", ["adv", "btr"])
def test_pixels_at_the_edge_of_the_box_stay_in_it(name: str) -> None:
    """Of two pixels that count alike one cannot move: the other goes all the way, 0.2 in one of 48."""
    weight = torch.zeros(2, PIXELS)
    weight[0, :2] = 1
    model = straight(weight, torch.tensor([-0.3, 0.0]))
    x = torch.full((1, 3, SIDE, SIDE), 0.5)
    x[0, 0, 0, 0] = 0
    found = attack(name, model, x, torch.zeros(1, dtype=torch.long), rule="fast")
    assert found.success.all()
    assert rms(found.images - x).item() == pytest.approx(0.2 / math.sqrt(PIXELS), rel=0.005)
    assert found.images[0, 0, 0, 0] == 0


@pytest.mark.parametrize("name", ["adv", "btr"])
def test_the_goal_holds_on_each_picture_when_it_is_scored_again_alone(
    name: str, any_tiny: Classifier, rng: torch.Generator
) -> None:
    x = torch.rand(4, any_tiny.input.channels, 16, 16, generator=rng)
    with torch.no_grad():
        target = any_tiny(x).argmax(1)
    found = attack(name, any_tiny, x, target, rule="fast", steps=150)
    with torch.no_grad():
        for row in range(4):
            after = any_tiny(found.images[row : row + 1])
            assert bool(GOALS[name](any_tiny, after, target[row : row + 1])) == bool(found.success[row])
            assert torch.allclose(after[0], found.after[row], atol=1e-4)
    assert ((found.images >= 0) & (found.images <= 1)).all()
    assert (found.visited >= rms(found.images - x) * (1 - 1e-6)).all()


@pytest.mark.parametrize("name", ["adv", "btr"])
def test_a_batch_is_as_good_as_single_runs(name: str, tiny: Classifier, rng: torch.Generator) -> None:
    model = tiny.double()
    x = torch.rand(3, 3, 16, 16, generator=rng, dtype=torch.float64)
    with torch.no_grad():
        target = model(x).argmax(1)
    batch = attack(name, model, x, target, rule="fast", steps=150)
    for row in range(3):
        alone = attack(name, model, x[row : row + 1], target[row : row + 1], rule="fast", steps=150)
        assert (alone.images[0] - batch.images[row]).abs().max() < 1e-6
        assert alone.passes[0] == batch.passes[row]


def test_a_row_that_is_wrong_already_is_left_alone(tiny: Classifier, rng: torch.Generator) -> None:
    x = torch.rand(3, 3, 16, 16, generator=rng)
    with torch.no_grad():
        target = tiny(x).argmax(1)
    target[1] = (target[1] + 1) % 5
    found = attack("adv", tiny, x, target, rule="fast", steps=100)
    assert torch.equal(found.images[1], x[1])
    assert found.success[1]
    assert (found.passes[1].forward, found.passes[1].backward) == (1, 0)


@pytest.mark.parametrize("steps", [10, 60, 450])
def test_a_row_costs_a_fifth_of_the_steps_at_most(steps: int, tiny: Classifier, rng: torch.Generator) -> None:
    x = torch.rand(2, 3, 16, 16, generator=rng)
    with torch.no_grad():
        target = tiny(x).argmax(1)
    found = attack("btr", tiny, x, target, rule="fast", steps=steps)
    row = ATTACKS["btr"]
    for spent in found.passes:
        assert spent.units <= max(steps * SHARE, 3)
        assert spent.units <= row.cost(row.params.build({"rule": "fast", "steps": steps})) + 1.5


@pytest.mark.parametrize(("rivals", "units"), [(9, 90), (999, 90), (2, 90), (9, 12), (9, 2)])
def test_each_phase_looks_at_no_more_classes_than_the_one_before(rivals: int, units: float) -> None:
    stages = phases(rivals, units)
    classes = [stage.classes for stage in stages]
    assert classes == sorted(classes, reverse=True)
    assert classes[-1] == 1
    assert classes[0] <= rivals


def test_where_nothing_is_found_the_largest_change_tried_is_told() -> None:
    """A constant network is never fooled; within [0, 1] the tilted one's first class never loses."""
    x, target = torch.full((2, 3, SIDE, SIDE), 0.75), torch.zeros(2, dtype=torch.long)
    flat = attack("adv", straight(torch.zeros(2, PIXELS), torch.tensor([1.0, 0.0])), x, target, rule="fast")
    assert not flat.success.any()
    assert torch.equal(flat.visited, torch.zeros(2))
    tilted = straight(torch.ones(2, PIXELS) * torch.tensor([[1.0], [0.0]]), torch.tensor([1.0, 0.0]))
    found = attack("adv", tilted, x, target, rule="fast")
    assert not found.success.any()
    assert torch.allclose(found.visited, torch.full((2,), 0.75), atol=1e-6)


def test_dropped_rows_leave_and_the_others_never_notice(tiny: Classifier, rng: torch.Generator) -> None:
    model = tiny.double()
    x = torch.rand(3, 3, 16, 16, generator=rng, dtype=torch.float64)
    with torch.no_grad():
        target = model(x).argmax(1)
    whole = attack("adv", model, x, target, steps=100, rule="fast")
    row = ATTACKS["adv"]
    with lend(model):
        part, steps = walk(
            row.run(model, Question(x, target), row.params.build({"steps": 100, "rule": "fast"})),
            drop=lambda step: frozenset({1}) if step.done == 2 else None,
        )
    assert (part.images[[0, 2]] - whole.images[[0, 2]]).abs().max() < 1e-9
    assert (part.passes[1].forward, part.passes[1].backward) == (1 + 2 * 2, 2 * 2)  # two rivals, two steps each
    assert steps[-1].done == steps[-1].of


def test_it_names_itself_and_refuses_to_leave_the_box() -> None:
    params = METRICS["attack-ara"].params
    assert params.build({"rule": "fast"}).search == "fast decoupled clipped"
    assert params().search == "algorithm-1 triangular clipped"
    with pytest.raises(ParamError, match="leave clip=true"):
        params.build({"rule": "fast", "clip": False})
