"""The batched L-BFGS against torch's, one row at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from explain_core.descent.lbfgs import LBFGS
from explain_core.descent.view import Rows, View, take

Loss = Callable[[Tensor], Tensor]


def quadratic(scales: Tensor) -> Loss:
    return lambda z: 0.5 * (scales * (z - 1).square()).flatten(1).sum(1)


def rosenbrock(z: Tensor) -> Tensor:
    a = z.flatten(1)
    return (10 * (a[:, 1:] - a[:, :-1] ** 2) ** 2 + (1 - a[:, :-1]) ** 2).sum(1) / 50


def by_torch(loss: Loss, start: Tensor, steps: int, history: int) -> Tensor:
    z = start.clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [z], max_iter=steps, history_size=history, max_eval=10 * steps, tolerance_grad=0, tolerance_change=0
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(z[None]).sum()
        value.backward()
        return value

    optimiser.step(closure)
    return z.detach()


def by_ours(loss: Loss, start: Tensor, steps: int, history: int) -> Tensor:
    rule, z = LBFGS(history), start.clone()
    state = rule.start(z)
    for step in range(steps):
        leaf = z.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(leaf).sum(), leaf)
        view = View(step, z, z, z, Rows(z, torch.zeros(len(z), dtype=torch.long)))
        direction, state = rule(gradient, state, view)
        z = z - direction
    return z


@pytest.mark.parametrize("history", [1, 3, 10, 100])
@pytest.mark.parametrize("name", ["quadratic", "rosenbrock"])
def test_a_batch_walks_as_torch_walks_each_row(history: int, name: str, rng: torch.Generator) -> None:
    scales = torch.rand(1, 4, 3, 2, generator=rng, dtype=torch.float64) * 5 + 0.1
    loss = quadratic(scales) if name == "quadratic" else rosenbrock
    start = torch.randn(5, 4, 3, 2, generator=rng, dtype=torch.float64) * 0.3
    ours = by_ours(loss, start, 15, history)
    for row, first in zip(ours, start, strict=True):
        assert torch.allclose(row, by_torch(loss, first, 15, history), atol=1e-9, rtol=0)


def test_rows_never_mix(rng: torch.Generator) -> None:
    start = torch.randn(6, 2, 5, 5, generator=rng, dtype=torch.float64) * 0.3
    together = by_ours(rosenbrock, start, 30, 10)
    alone = torch.cat([by_ours(rosenbrock, row[None], 30, 10) for row in start])
    assert (together - alone).abs().max() < 1e-9


def test_a_pair_without_curvature_is_skipped() -> None:
    concave: Loss = lambda z: -0.5 * z.square().flatten(1).sum(1)  # noqa: E731
    z = torch.full((1, 1, 2, 2), 0.5, dtype=torch.float64)
    assert by_ours(concave, z, 10, 5).isfinite().all()


def test_state_moves_with_its_rows(rng: torch.Generator) -> None:
    rule, z = LBFGS(4), torch.randn(3, 1, 2, 2, generator=rng, dtype=torch.float64)
    state = take(rule.start(z), torch.tensor([2, 0]))
    assert [len(part) for part in state] == [2] * len(state)
