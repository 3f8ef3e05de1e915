"""RISE: the masks of the authors' code, and networks whose map is known to within its standard error."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from skimage.transform import resize
from torch import Tensor, nn

from explain_core.methods.rise import METHOD, RiseParams, draw, enlarged
from tests.methods.closed import MEAN, SIDE, STD, asked, linear, pictures, wrapped

TARGET = torch.tensor([2, 0, 2])
GRID = 3


def expected(contribution: Tensor, offset: Tensor, keep: float) -> Tensor:
    """RISE of s = offset + Σ_j contribution_j M_j, in the limit: the masks' covariance, summed over all shifts.

    S[u] = offset + Σ_j c_j E[M_j M_u] / p, where E[M_j M_u] = p² + p (1 − p) · mean over shifts of Σ_k B_jk B_uk
    for the pixels' weights B on the cells k.
    """
    cell, cells = math.ceil(SIDE / GRID), GRID * GRID
    basis = torch.eye(cells, dtype=torch.float64).view(cells, GRID, GRID)
    shifts = list(itertools.product(range(cell), repeat=2))
    shared = torch.zeros(SIDE * SIDE, SIDE * SIDE, dtype=torch.float64)
    for shift in shifts:
        weights = enlarged(basis, torch.tensor([shift] * cells), SIDE, SIDE).flatten(1)
        shared += weights.T @ weights / len(shifts)
    second = keep**2 + keep * (1 - keep) * shared
    flat = contribution.flatten(1)
    return (offset[:, None] + flat @ second / keep).view(-1, SIDE, SIDE)


@pytest.mark.parametrize("side", [10, 28, 30])
def test_masks_are_the_authors(side: int) -> None:
    """Enlarged to s + 1 cells with mirrored edges, cut at the shift; scikit-image is what their code calls."""
    grid, cell = 7, math.ceil(side / 7)
    cells = torch.rand(5, grid, grid, generator=torch.Generator().manual_seed(2), dtype=torch.float64).round()
    shifts = torch.tensor([[0, 0], [cell - 1, 0], [0, cell - 1], [1, 1], [cell - 1, cell - 1]])
    for mask, one, (down, across) in zip(enlarged(cells, shifts, side, side), cells, shifts.tolist(), strict=True):
        large = resize(one.numpy(), [(grid + 1) * cell] * 2, order=1, mode="reflect", anti_aliasing=False)
        assert np.allclose(mask.numpy(), large[down : down + side, across : across + side], atol=1e-12)


def test_draws_keep_a_share_and_shift_within_a_cell() -> None:
    found = draw(torch.Generator().manual_seed(3), RiseParams(samples=4000, keep=0.3), 30, 10)
    assert float(found.cells.double().mean()) == pytest.approx(0.3, abs=0.005)
    assert found.shifts.amin(0).tolist() == [0, 0]
    assert found.shifts.amax(0).tolist() == [4, 1]


@pytest.mark.parametrize("divide", ["expected", "actual"])
def test_a_linear_network_within_the_standard_error(divide: str) -> None:
    model, weights = linear()
    x = pictures()
    contribution = ((x - MEAN) * weights.double()[TARGET]).sum(1)
    with torch.no_grad():
        offset = model(torch.full_like(x, MEAN)).gather(1, TARGET[:, None])[:, 0]
    known = expected(contribution, offset, 0.5)
    found = asked(METHOD, model, x, TARGET, objective="logit", grid=GRID, samples=4000, divide=divide)
    error = (found.saliency - known).square().mean((1, 2)).sqrt()
    stated = found.numbers["standard error"]
    assert (error < 2 * stated).all()
    assert (error > stated / 3).any()


class OnePixel(nn.Module):
    """y_0 is one channel of one normalised pixel; y_1 = 0."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.stack([z[:, 1, 2, 3], 0 * z[:, 1, 2, 3]], 1)


def test_a_network_that_reads_one_pixel() -> None:
    x = pictures(1).clamp_min(0.6)
    pixel = (x[:, 1, 2, 3] - MEAN) / STD
    contribution = torch.zeros(1, SIDE, SIDE, dtype=torch.float64)
    contribution[0, 2, 3] = pixel
    knobs: dict[str, Any] = {"objective": "logit", "grid": GRID, "samples": 4000, "keep": 0.3}
    found = asked(METHOD, wrapped(OnePixel(), classes=2), x, torch.tensor([0]), **knobs)
    known = expected(contribution, torch.zeros(1).double(), 0.3)
    assert divmod(int(found.saliency.argmax()), SIDE) == (2, 3)
    assert float((found.saliency - known).square().mean().sqrt()) < 2 * float(found.numbers["standard error"])


def test_it_ends_early_where_it_is_precise_enough() -> None:
    model, _ = linear()
    found = asked(METHOD, model, pictures(), TARGET, objective="logit", grid=GRID, precision=0.05)
    assert (found.numbers["masks"] % 64 == 0).all()
    assert (found.numbers["masks"] < 4000).all()
    assert (found.numbers["relative error"] <= 0.05).all()
    assert [float(passes.forward) for passes in found.passes] == (found.numbers["masks"] + 1).tolist()
    alone = asked(METHOD, model, pictures()[:1], TARGET[:1], objective="logit", grid=GRID, precision=0.05)
    assert torch.equal(alone.saliency[0], found.saliency[0])


def test_centred_it_is_the_same_map_about_zero() -> None:
    """Less the mean over all masks; a network that sees nothing has zeros, whatever its score."""
    model, _ = linear()
    plain, centred = (
        asked(METHOD, model, pictures(), TARGET, samples=200, divide="actual", centred=centred)
        for centred in (False, True)
    )
    shift = (plain.saliency - centred.saliency).flatten(1)
    assert torch.allclose(shift, shift[:, :1].expand_as(shift))
    assert ((centred.saliency.amin((1, 2)) < 0) & (centred.saliency.amax((1, 2)) > 0)).all()
    with torch.no_grad():
        model.net[1].weight.zero_()  # type: ignore[index, union-attr, operator]
    blind = asked(METHOD, model, pictures(1), TARGET[:1], samples=200, divide="actual", centred=True)
    assert blind.saliency.abs().max() < 1e-12


def test_less_noise_by_what_was_seen() -> None:
    """With a large offset, how often a pixel was seen is most of the noise; dividing by it takes that away."""
    model, _ = linear()
    with torch.no_grad():
        model.net[1].bias.add_(5)  # type: ignore[index, union-attr, operator]
    plain, actual = (
        asked(METHOD, model, pictures(), TARGET, objective="logit", samples=500, divide=divide)
        for divide in ("expected", "actual")
    )
    assert (actual.numbers["standard error"] < plain.numbers["standard error"] / 3).all()
