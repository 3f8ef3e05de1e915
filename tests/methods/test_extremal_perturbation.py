"""Extremal perturbation: the smooth mask by its definition, a plain loop with torch's SGD, one quadrant."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from explain_core.engine.lending import lend
from explain_core.errors import ParamError
from explain_core.methods.extremal_perturbation import METHOD, ExtremalPerturbationParams, levels, through
from explain_core.methods.smooth_mask import Raster
from explain_core.methods.smoothing import gaussian
from tests.methods.closed import MEAN, asked, linear, pictures
from tests.methods.test_meaningful_perturbation import quadrant

TARGET = torch.tensor([2, 0, 2])


def by_definition(cells: list[list[float]], cell: int) -> list[list[float]]:
    """m(u) of one grid (g, g'), pixel by pixel."""
    sigma, tall, wide = 3 * cell, len(cells), len(cells[0])

    def at(i: int, j: int) -> float:
        values = []
        for down, across in itertools.product(range(i // cell - 4, i // cell + 5), range(j // cell - 4, j // cell + 5)):
            away = math.hypot(i - down * cell, j - across * cell) / sigma
            own = cells[down][across] if 0 <= down < tall and 0 <= across < wide else 0.0
            values.append(math.exp(-2 * max(0.0, away - 0.5) ** 2) * own)
        shares = [math.exp(20 * value) for value in values]
        return sum(value * share for value, share in zip(values, shares, strict=True)) / sum(shares)

    rows, columns = (range(-sigma, (count - 1) * cell + 1 + sigma) for count in (tall, wide))
    return [[at(i, j) for j in columns] for i in rows]


@pytest.mark.parametrize(("height", "width", "cell"), [(5, 3, 2), (4, 5, 3), (3, 4, 1)])
def test_a_mask_by_its_definition(height: int, width: int, cell: int) -> None:
    raster = Raster(height, width, cell)
    cells = torch.rand(2, *raster.grid, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mask = raster.mask(cells)
    for found, grid in zip(mask, cells, strict=True):
        assert torch.allclose(found, found.new_tensor(by_definition(grid.tolist(), cell)), atol=1e-12)
    assert raster.inner(mask).shape == (2, height, width)
    assert torch.autograd.gradcheck(raster.mask, (cells[:1].requires_grad_(),))


def test_sizes_are_the_published_ones() -> None:
    raster = ExtremalPerturbationParams().raster(224, 224)
    assert raster == Raster(224, 224, 7)
    assert raster.grid == (32, 32)
    assert raster.mask(torch.ones(1, 32, 32)).shape == (1, 260, 260)
    assert ExtremalPerturbationParams(areas="0.2, 0.05,.05").shares == (0.05, 0.2)
    for areas in ("0.0", "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9"):
        with pytest.raises(ParamError, match=r"areas = .*: give 1 to 8 shares"):
            ExtremalPerturbationParams(areas=areas)


@pytest.mark.parametrize("goal", ["preserve", "delete", "dual"])
@pytest.mark.parametrize("contrastive", [False, True])
def test_a_plain_loop_with_torchs_sgd(goal: str, contrastive: bool) -> None:
    """The published objective for one area, written down once more; two areas are two such loops."""
    model, _ = linear()
    x, target, steps = pictures(), TARGET, 12
    knobs = {"areas": "0.2, 0.5", "goal": goal, "contrastive": contrastive, "cell": 2, "steps": steps, "smooth": 0}
    found = asked(METHOD, model, x, target, **knobs)
    masks = torch.stack([plain(area, goal, contrastive, steps) for area in (0.2, 0.5)])
    assert torch.allclose(found.saliency[0], masks.sum(0), atol=1e-9)
    assert found.perturbed is not None
    seen = masks[1] if goal != "delete" else 1 - masks[1]
    assert torch.allclose(found.perturbed[0], fog(seen), atol=1e-9)
    again = 2 if goal == "dual" else 1
    assert found.passes[0].forward == 2 * again * (steps + 1) + 2
    assert found.passes[0].backward == 2 * again * steps
    assert METHOD.cost(ExtremalPerturbationParams.build(knobs)) == found.passes[0].units


def fog(mask: Tensor) -> Tensor:
    """x ∘ m of the first picture, by weights that are 1 at a level and fall to 0 at its neighbours."""
    x, size = pictures()[0], 6
    total = torch.zeros_like(x)
    for level in range(8):
        sigma = 20 / 224 * size * (1 - level / 7)
        blurred = MEAN + gaussian(x - MEAN, sigma, edges="constant")
        total = total + (1 - (7 * mask - level).abs()).clamp_min(0) * blurred
    return total


def plain(area: float, goal: str, contrastive: bool, steps: int) -> Tensor:
    """The mask (h, w) of one area on the first picture."""
    model, _ = linear()
    target, raster = int(TARGET[0]), Raster(6, 6, 2)
    cells = torch.ones(1, 3, 3, dtype=torch.float64, requires_grad=True)
    sgd = torch.optim.SGD([cells], lr=0.01, momentum=0.9, dampening=0.9)

    def score(image: Tensor, step: int) -> Tensor:
        y = model((image.flip(2) if step % 2 == 0 else image)[None])[0]
        rest = torch.cat([y[:target], y[target + 1 :]])
        return y[target] - rest.max() if contrastive else y[target]

    with lend(model):
        for step in range(steps):
            whole = raster.mask(cells)
            mask = raster.inner(whole)[0]
            size = whole.numel()
            wanted = torch.zeros(size, dtype=torch.float64)
            wanted[math.floor(size * (1 - area)) :] = 1
            reward = score(fog(mask), step) if goal != "delete" else torch.zeros(())
            if goal != "preserve":
                reward = reward - score(fog(1 - mask), step)
            loss = -reward + 300 * 1.0035**step * (whole.flatten().sort().values - wanted).square().mean()
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            with torch.no_grad():
                cells.clamp_(0, 1)
    return raster.inner(raster.mask(cells.detach()))[0]


@pytest.mark.parametrize("goal", ["preserve", "delete"])
def test_the_quadrant_that_is_read_is_found(goal: str) -> None:
    """A bright quadrant on a dark picture, a quarter of it; the rest of the picture is worth nothing."""
    x = torch.full((1, 1, 16, 16), 0.05, dtype=torch.float64)
    x[:, :, :8, :8] = 0.95
    knobs = {"areas": "0.25", "goal": goal, "perturbation": "fade", "cell": 2, "steps": 200, "smooth": 0}
    found = asked(METHOD, quadrant(mirrored=True), x, torch.tensor([0]), **knobs)
    mask = found.saliency[0]
    assert float(mask[1:7, 1:7].mean()) > 0.8
    assert float(mask[:, 11:].mean()) < 0.2
    assert float(mask[11:].mean()) < 0.2


def test_levels_go_from_fog_to_the_picture() -> None:
    model, _ = linear()
    x = pictures()
    stack = levels(model, x, ExtremalPerturbationParams())
    assert stack.shape == (3, 8, 3, 6, 6)
    assert torch.allclose(stack[:, -1], x)
    assert torch.allclose(through(stack, torch.ones(3, 6, 6).double()), x)
    assert torch.allclose(through(stack, torch.full((3, 6, 6), 2 / 7).double()), stack[:, 2])
    faded = levels(model, x, ExtremalPerturbationParams(perturbation="fade"))
    mask = torch.rand(3, 6, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert torch.allclose(through(faded, mask), MEAN + mask[:, None] * (x - MEAN))


def test_a_row_that_is_dropped_takes_all_its_areas_along() -> None:
    from explain_core.types import Question
    from tests.descent.walking import walk

    model, _ = linear()
    question = Question(pictures(), TARGET)
    params = ExtremalPerturbationParams(areas="0.1,0.3", cell=2, steps=6)
    with lend(model):
        whole, _ = walk(METHOD.run(model, question, params))
        part, steps = walk(METHOD.run(model, question, params), lambda step: {1} if step.done == 2 else None)
    assert steps[-1].rows is not None
    assert steps[-1].rows.tolist() == [0, 0, 2, 2]
    assert torch.allclose(part.saliency[[0, 2]], whole.saliency[[0, 2]], atol=1e-12)
    assert part.passes[1].forward == 2 * 2 + 2
