"""The one loop: variables that are no pictures, rows that leave, the best that is kept."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from explain_core.descent.loop import descend
from explain_core.descent.plan import Plan
from explain_core.descent.projections import box, into_ball, rms
from explain_core.descent.rules import adam, chain, scaled, unit_rms
from explain_core.descent.view import Rows, View
from explain_core.models.classifier import Classifier
from explain_core.types import Passes
from tests.descent.walking import walk


def rows_of(model: Classifier, count: int, rng: torch.Generator) -> Rows:
    x = torch.rand(count, model.input.channels, 16, 16, generator=rng)
    with torch.no_grad():
        return Rows(x, model(x).argmax(1))


def falling(model: Classifier, rows: Rows, steps: int = 12) -> Plan:
    return Plan(
        rows=rows,
        start=rows.x.clone(),
        loss=lambda view: model.log_odds(view.logits, view.rows.target),
        rule=chain(unit_rms(), scaled(lambda _: 0.01)),
        project=lambda z, _: box(z),
        steps=steps,
    )


def masked(model: Classifier, rows: Rows) -> Plan:
    """Meaningful perturbation in small: a 7 × 7 mask that hides the class, over a black reference."""

    def compose(z: Tensor, rows: Rows) -> Tensor:
        return rows.x * F.interpolate(z, size=rows.x.shape[2:], mode="bilinear", align_corners=False)

    def loss(view: View) -> Tensor:
        return model.log_odds(view.logits, view.rows.target) + 0.5 * (1 - view.z).flatten(1).mean(1)

    return Plan(
        rows=rows,
        start=torch.full((len(rows), 1, 7, 7), 0.5),
        loss=loss,
        rule=adam(0.05),
        compose=compose,
        project=lambda z, _: z.clamp(0, 1),
        steps=40,
    )


def test_a_mask_grid_is_optimised_by_the_same_loop(tiny: Classifier, rng: torch.Generator) -> None:
    rows = rows_of(tiny, 3, rng)
    found, steps = walk(descend(tiny, masked(tiny, rows)))
    assert found.z.shape == (3, 1, 7, 7)
    assert found.image.shape == rows.x.shape
    assert (found.z >= 0).all()
    assert (found.z <= 1).all()
    assert (found.loss < found.traced[0]).all()
    assert len(steps) == 40
    alone = torch.cat([walk(descend(tiny, masked(tiny, rows.take(torch.tensor([row])))))[0].z for row in range(3)])
    assert torch.allclose(found.z, alone, atol=1e-4)


def test_a_linear_model_is_walked_exactly(rng: torch.Generator) -> None:
    """On a linear network the unit-RMS direction is the weight difference; the log-odds of two classes is linear."""
    weight = torch.randn(2, 3 * 4 * 4, generator=rng)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 2, bias=False))
    net[1].weight.data = weight
    from explain_core.models.classifier import InputSpec

    model = Classifier(net, classes=("a", "b"), kind="softmax", input=InputSpec(3)).eval()
    x = torch.full((1, 3, 4, 4), 0.5)
    rows = Rows(x, torch.tensor([0]))
    found, _ = walk(descend(model, falling(model, rows, steps=5)))
    slope = (weight[0] - weight[1]).view(1, 3, 4, 4)
    expected = x - 5 * 0.01 * slope / slope.square().mean().sqrt()
    assert torch.allclose(found.z, expected, atol=1e-6)


def test_passes_are_counted_per_row(tiny: Classifier, rng: torch.Generator) -> None:
    found, _ = walk(descend(tiny, falling(tiny, rows_of(tiny, 2, rng))))
    assert found.passes == (Passes(13, 12), Passes(13, 12))


def test_dropped_rows_leave_and_the_others_never_notice(tiny: Classifier, rng: torch.Generator) -> None:
    rows = rows_of(tiny, 4, rng)
    whole, _ = walk(descend(tiny, falling(tiny, rows)))
    part, steps = walk(
        descend(tiny, falling(tiny, rows)), drop=lambda step: frozenset({1, 2}) if step.done == 3 else None
    )
    assert part.alive.tolist() == [True, False, False, True]
    assert torch.allclose(part.image[[0, 3]], whole.image[[0, 3]], atol=1e-5)
    assert part.passes[1] == Passes(3, 3)
    assert steps[-1].rows is not None
    assert steps[-1].rows.tolist() == [0, 3]


def test_all_rows_dropped_ends_the_loop(tiny: Classifier, rng: torch.Generator) -> None:
    found, steps = walk(descend(tiny, falling(tiny, rows_of(tiny, 2, rng))), drop=lambda step: frozenset({0, 1}))
    assert len(steps) == 1
    assert not found.alive.any()


def test_rows_that_are_done_leave(tiny: Classifier, rng: torch.Generator) -> None:
    rows = rows_of(tiny, 3, rng)
    plan = falling(tiny, rows, steps=30)
    threshold = float(walk(descend(tiny, plan))[0].traced[10, 1])
    from dataclasses import replace

    stopping = replace(plan, stop=lambda view, _: view.loss <= threshold)
    found, _ = walk(descend(tiny, stopping))
    assert (found.loss <= threshold)[1]
    assert found.passes[1].backward <= 11
    assert found.alive.all()


def test_the_best_is_kept_and_belongs_to_the_picture(tiny: Classifier, rng: torch.Generator) -> None:
    from dataclasses import replace

    rows = rows_of(tiny, 3, rng)
    plan = replace(
        falling(tiny, rows, steps=20),
        rule=chain(unit_rms(), scaled(lambda view: 0.01 if view.step < 10 else -0.02)),
        score=lambda view: -view.loss,
    )
    found, _ = walk(descend(tiny, plan))
    assert torch.equal(found.loss, found.traced.amin(0))
    with torch.no_grad():
        assert torch.allclose(tiny(found.image), found.logits, atol=1e-5)


@pytest.mark.parametrize("rho", [1e-5, 0.01, 0.3])
def test_box_then_ball(rho: float, rng: torch.Generator) -> None:
    x = torch.rand(5, 3, 9, 9, generator=rng)
    z = x + torch.randn(x.shape, generator=rng)
    inside = into_ball(z, x, torch.full((5,), rho))
    assert (rms(inside.double() - x.double()) <= rho + 1e-8).all()
    assert (rms(inside - x) > 0.99 * rho).all()
    assert ((inside >= 0) & (inside <= 1)).all()


def test_inside_the_ball_nothing_moves(rng: torch.Generator) -> None:
    x = torch.rand(2, 1, 4, 4, generator=rng)
    z = box(x + 0.001)
    assert torch.allclose(into_ball(z, x, torch.full((2,), 0.1)), z, atol=1e-7)


def test_jitter_moves_what_is_differentiated_and_nothing_else(tiny: Classifier, rng: torch.Generator) -> None:
    from dataclasses import replace

    rows = rows_of(tiny, 2, rng)
    seen: list[int] = []

    def upside_down(image: Tensor, _: Rows, step: int) -> Tensor:
        seen.append(step)
        return image.flip(2)

    found, steps = walk(descend(tiny, replace(falling(tiny, rows, steps=3), jitter=upside_down)))
    assert seen == [0, 1, 2]
    assert steps[0].images is not None
    assert torch.equal(steps[0].images, rows.x)
    with torch.no_grad():
        assert torch.allclose(found.first, tiny(rows.x.flip(2)))
        assert torch.allclose(found.logits, tiny(found.image))
