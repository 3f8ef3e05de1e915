"""The half-Huber ReLU against its formula, with first and second derivatives."""

from __future__ import annotations

import pytest
import torch

from explain_core.models.hhrelu import hhrelu


@pytest.mark.parametrize("knee", [0.3, 0.5, 2.0])
def test_values_and_derivatives(knee: float, rng: torch.Generator) -> None:
    x = torch.linspace(-3, 3, 61, dtype=torch.float64).add(0.01).requires_grad_()
    d = 1 / (2 * knee)
    by_cases = torch.where(x < 0, 0, torch.where(x < knee, d * x.square(), x - 1 / (4 * d)))
    assert torch.allclose(hhrelu(x, knee), by_cases, atol=1e-12)
    assert torch.autograd.gradcheck(lambda x: hhrelu(x, knee), (x,))
    assert torch.autograd.gradgradcheck(lambda x: hhrelu(x, knee), (x,))
