"""The perturbation generator: a plain loop over torch modules, its start, and what it may not do."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from explain_core.engine.lending import lend
from explain_core.methods.generator import METHOD, GeneratorParams, drawn
from explain_core.types import Question
from tests.methods.closed import SIDE, asked, linear, pictures

TARGET = torch.tensor([2, 0, 2])
KEYS = ("picture 0", "picture 1", "picture 2")


def modules(weights: Tensor, filters: int) -> nn.Sequential:
    """The generator of one row as torch builds it."""
    net = nn.Sequential(
        nn.Conv2d(3, filters, 3, padding="same"),
        nn.ReLU(),
        nn.Conv2d(filters, filters, 3, padding="same"),
        nn.ReLU(),
        nn.Conv2d(filters, 3, 3, padding="same"),
        nn.Tanh(),
    ).double()
    nn.utils.vector_to_parameters(weights, net.parameters())
    return net


def test_each_row_is_a_plain_loop_over_modules() -> None:
    model, _ = linear()
    x, steps, filters = pictures(), 25, 4
    found = asked(METHOD, model, x, TARGET, filters=filters, steps=steps, alpha=0.5, rate=0.01)
    starts = drawn(Question(x, TARGET, keys=KEYS), GeneratorParams(filters=filters))
    for row in range(3):
        net, best, change = modules(starts[row], filters), torch.inf, torch.zeros(SIDE, SIDE)
        adam = torch.optim.Adam(net.parameters(), lr=0.01)
        with lend(model):
            for _ in range(steps + 1):
                moved = net(x[row : row + 1] - 0.5)
                image = x[row] + moved.clamp_min(0) * (1 - x[row]) + moved.clamp_max(0) * x[row]
                if not bool(moved.any()):  # the clamps have no slope at the start
                    image = x[row] + moved * (1 - x[row])
                belief = model(image).softmax(1)[0, TARGET[row]]
                loss = -(1 - belief).log() + 0.5 * (image - x[row]).abs().mean()
                if float(loss.detach()) < best:
                    best, change = float(loss.detach()), (image - x[row]).detach().abs()[0].amax(0)
                adam.zero_grad()
                loss.backward()
                adam.step()
        assert torch.allclose(found.saliency[row], change, atol=1e-7)
        assert abs(float(found.numbers["loss"][row]) - best) < 1e-7


def test_it_starts_at_the_picture_and_stays_in_range() -> None:
    model, _ = linear()
    x = pictures().round()
    found = asked(METHOD, model, x, TARGET, steps=60, alpha=0, rate=0.1)
    with torch.no_grad():
        assert torch.allclose(found.before, model(x))
        assert found.perturbed is not None
        assert found.after is not None
        assert torch.equal(found.after, model(found.perturbed))
    assert ((found.perturbed >= 0) & (found.perturbed <= 1)).all()
    rows = torch.arange(3)
    assert (found.after.softmax(1)[rows, TARGET] < found.before.softmax(1)[rows, TARGET]).all()


def test_pixels_that_hardly_moved_are_put_back() -> None:
    model, _ = linear()
    x = pictures()
    found = asked(METHOD, model, x, TARGET, steps=40, epsilon=0.05, alpha=2)
    assert found.mask is not None
    assert found.perturbed is not None
    assert torch.equal(found.mask, found.saliency >= 0.05)
    still = ~found.mask[:, None].expand_as(x)
    assert torch.equal(found.perturbed[still], x[still])
    assert 0 < float(found.numbers["mask share"].mean()) < 1


def test_weights_belong_to_the_row() -> None:
    x, params = pictures(), GeneratorParams()
    together = drawn(Question(x, TARGET, keys=KEYS), params)
    assert together.shape == (3, 3 * 8 * 9 + 8 + 8 * 8 * 9 + 8 + 8 * 3 * 9 + 3)
    assert torch.equal(together[1], drawn(Question(x[1:2], TARGET[1:2], keys=KEYS[1:2]), params)[0])
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(together, drawn(Question(x, TARGET, seed=1, keys=KEYS), params))
