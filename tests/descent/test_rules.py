"""Step rules against closed forms and against torch's own optimisers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from explain_core.descent.projections import nearest, rms
from explain_core.descent.rules import Rule, adam, average, chain, momentum, pull_back_when, ramp_down, scaled, unit_rms
from explain_core.descent.spectral import Spectral
from explain_core.descent.view import Rows, View


def view_at(z: Tensor, step: int = 0, x: Tensor | None = None, loss: Tensor | None = None) -> View:
    rows = Rows(z if x is None else x, torch.zeros(len(z), dtype=torch.long), torch.full((len(z),), 0.1))
    return View(step, z, z, z, rows, loss=torch.zeros(len(z)) if loss is None else loss)


def test_unit_rms_survives_tiny_and_zero_gradients() -> None:
    gradient = torch.stack([torch.full((1, 2, 2), 1e-30), torch.zeros(1, 2, 2), torch.full((1, 2, 2), -3.0)])
    direction, _ = unit_rms()(gradient, (), view_at(gradient))
    assert rms(direction).tolist() == pytest.approx([1, 0, 1])
    assert direction.isfinite().all()


def test_ramp_down_lengths_sum_to_the_size() -> None:
    z = torch.zeros(2, 1, 2, 2)
    lengths = [ramp_down(lambda _: torch.tensor([1.0, 2.0]), 35)(view_at(z, step)) for step in range(35)]
    total = sum(lengths)
    assert isinstance(total, Tensor)
    assert total.tolist() == pytest.approx([1.0, 2.0])
    assert lengths[0][0] > lengths[-1][0] > 0


def test_pull_back_walks_home_where_the_goal_holds() -> None:
    x, z = torch.zeros(2, 1, 1, 2), torch.ones(2, 1, 1, 2)
    rule = pull_back_when(lambda _: torch.tensor([True, False]))
    direction, _ = rule(torch.full_like(z, 7), (), view_at(z, x=x))
    assert direction.flatten(1).tolist() == [[2, 2], [7, 7]]


@pytest.mark.parametrize(
    ("rule", "optimiser"),
    [
        (adam(0.1), lambda p: torch.optim.Adam([p], lr=0.1)),
        (chain(momentum(0.9), scaled(lambda _: 0.01)), lambda p: torch.optim.SGD([p], lr=0.01, momentum=0.9)),
        (
            chain(average(0.9, whole_first=True), scaled(lambda _: 0.01)),
            lambda p: torch.optim.SGD([p], lr=0.01, momentum=0.9, dampening=0.9),
        ),
    ],
)
def test_as_torch_does_it(
    rule: Rule, optimiser: Callable[[Tensor], torch.optim.Optimizer], rng: torch.Generator
) -> None:
    start = torch.randn(3, 2, 4, 4, generator=rng, dtype=torch.float64)
    scales = torch.rand(start.shape, generator=rng, dtype=torch.float64)
    z, state = start.clone(), rule.start(start)
    for step in range(20):
        direction, state = rule(2 * scales * z, state, view_at(z, step))
        z = z - direction
    theirs = start.clone().requires_grad_()
    torch_rule = optimiser(theirs)
    for _ in range(20):
        torch_rule.zero_grad()
        (scales * theirs.square()).sum().backward()
        torch_rule.step()
    assert torch.allclose(z, theirs.detach(), atol=1e-12)


def test_spectral_projected_gradient_finds_the_constrained_minimum(rng: torch.Generator) -> None:
    """min ½‖A(z − c)‖² in a ball round x: KKT says the gradient is parallel to x − z on its edge."""
    x = torch.full((4, 1, 3, 3), 0.5, dtype=torch.float64)
    centre = 0.5 + 0.4 * torch.rand(x.shape, generator=rng, dtype=torch.float64)
    scales = 1 + 5 * torch.rand(x.shape, generator=rng, dtype=torch.float64)
    rho = torch.tensor([0.05, 0.1, 0.2, 0.9], dtype=torch.float64)
    rows = Rows(x, torch.zeros(4, dtype=torch.long), rho)
    rule = Spectral(lambda z, rows: nearest(z, rows.x, rho), first=lambda view: 0.1 * rho)
    z, state = x.clone(), rule.start(x)
    for step in range(200):
        loss = 0.5 * (scales * (z - centre).square()).flatten(1).sum(1)
        view = View(step, z, z, z, rows, loss=loss)
        direction, state = rule(scales * (z - centre), state, view)
        z = z - direction
    assert (rms(z - x) <= rho).all()
    gradient = (scales * (z - centre)).flatten(1)
    home = (x - z).flatten(1)
    aligned = torch.cosine_similarity(gradient, home)
    assert (aligned[:3] > 0.9999).all()
    assert torch.allclose(z[3], centre[3], atol=1e-6)
