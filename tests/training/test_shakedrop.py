"""ShakeDrop against its formulas: values, gradients and gradients of gradients by hand, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from explain_core.backward.twice import Twice
from explain_core.errors import Cancelled, ParamError
from explain_core.models.architectures import build
from explain_core.models.architectures.base import Shape
from explain_core.models.architectures.gate import Gate
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.training.batch import Batch
from explain_core.training.fit import Training
from explain_core.training.pictures import Pictures
from explain_core.training.recipe import parse_recipe
from explain_core.training.terms import Setting, get_term
from explain_core.training.terms.shakedrop import ShakeDrop
from tests.training.test_fit import Stopping, blobs

SIDE = 32
SHAKEN = """
[network]
architecture = "preact-resnet"
depth = 1
width = 0.25
activation = "hhrelu"
[schedule]
epochs = 2
batch = 4
rate = 0.05
[terms.shakedrop]
survival = 0.5
[terms.cross-entropy]
[terms.lipschitz]
target = 1.0
"""


def resnet(channels: int = 3) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        net = build(
            "preact-resnet", {"depth": 1, "width": 0.25, "activation": "hhrelu"}, Shape(channels, (SIDE,) * 2, 3)
        )
        for name, weight in net.named_parameters():
            if name.endswith("main.3.weight"):
                nn.init.normal_(weight, std=0.1)  # they begin at zero, and a zero branch tells nothing
    return Classifier(net, classes=tuple("abc"), kind="softmax", input=InputSpec(channels, (SIDE,) * 2, smallest=29))


def term(model: Classifier, **knobs: Any) -> ShakeDrop:
    row = get_term("shakedrop")
    return cast(ShakeDrop, row.build(row.params.build(knobs), Setting(model)))


def gates(model: Classifier) -> list[Gate]:
    return [module for module in model.modules() if isinstance(module, Gate)]


def batch_of(count: int = 3, epoch: int = 0, dtype: torch.dtype = torch.float64) -> Batch:
    pixels = torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1), dtype=dtype)
    return Batch(pixels, torch.arange(count) % 3, tuple(range(count)), epoch, seed=5)


def small(count: int, epoch: int = 0) -> Batch:
    return Batch(torch.zeros(count, 1, 1, 1), torch.zeros(count).long(), tuple(range(count)), epoch)


def through(forward: float, back: float) -> Gate:
    gate = Gate()
    gate.mask, gate.back = torch.tensor([forward]), torch.tensor([back])
    return gate.double()


def test_value_gradient_and_gradient_of_a_gradient_by_hand() -> None:
    """u = x + f·wx, y = u²: dy/dx = 2u(1 + gw), and S = (dy/dx)² has dS/dw = 2(dy/dx)·(2ug + 2(1 + gw)·gx)."""
    f, g, w0, x0 = 1.5, -0.25, 0.7, 1.3
    w, x = (torch.tensor([[value]], dtype=torch.float64, requires_grad=True) for value in (w0, x0))
    u = through(f, g)(x, w * x)
    assert u.item() == pytest.approx(x0 + f * w0 * x0, rel=1e-14)
    assert torch.autograd.grad(u, w, retain_graph=True)[0].item() == pytest.approx(g * x0, rel=1e-14)
    (slope,) = torch.autograd.grad(u.square().sum(), x, create_graph=True)
    assert slope.item() == pytest.approx(2 * u.item() * (1 + g * w0), rel=1e-14)
    (twice,) = torch.autograd.grad(slope.square().sum(), w)
    inner = 2 * u.item() * g + 2 * (1 + g * w0) * g * x0
    assert twice.item() == pytest.approx(2 * slope.item() * inner, rel=1e-13)


def test_one_and_one_is_standard_training_to_the_last_bit() -> None:
    model, batch = resnet(), batch_of(dtype=torch.float32)
    found = []
    for shaken in (False, True):
        if shaken:
            term(model, alpha_low=1, alpha_high=1, beta_low=1, beta_high=1, survival=0.5).prepare(batch, model)
        found.append(derivatives(model.train(), batch.pixels))
    assert all(torch.equal(plain, ours) for plain, ours in zip(*found, strict=True))


def test_nothing_and_nothing_is_stochastic_depth() -> None:
    """Branches stay, divided by their p_l, or are gone with their gradient."""
    model = resnet()
    forward, back = term(model, survival=0.4, beta_high=0).factors(small(200))
    stays = torch.tensor([0.8, 0.6, 0.4])  # three blocks: 1 − (l / 3)·0.6
    assert torch.equal(forward, back)
    assert torch.equal(forward, (forward > 0) / stays)
    assert {int(kept) for kept in (forward > 0).sum(1)} == {0, 1, 2, 3}


@pytest.mark.parametrize("knobs", [{}, {"alpha_low": -1, "alpha_high": 1}, {"alpha_low": 0.2, "alpha_high": 0.6}])
def test_the_mean_of_the_forward_factor_is_one(knobs: dict[str, float]) -> None:
    count = 6_000
    forward, back = term(resnet(), survival=0.7, **knobs).factors(small(count))
    bound = 4.5 * forward.std(0) / count**0.5
    assert bool(((forward.mean(0) - 1).abs() < bound).all())
    # Back: (p + (1 − p)/2) over the forward mean, p + (1 − p)·E[α], with p_l = 0.9, 0.8, 0.7.
    p, alpha = torch.tensor([0.9, 0.8, 0.7]), (knobs.get("alpha_low", 0) + knobs.get("alpha_high", 0)) / 2
    wanted = (p + (1 - p) / 2) / (p + (1 - p) * alpha)
    assert bool(((back.mean(0) - wanted).abs() < 4.5 * back.std(0) / count**0.5).all())


def test_forward_and_back_share_the_coin_and_nothing_else() -> None:
    forward, back = term(resnet(), survival=0.5, alpha_low=-0.5, alpha_high=0.5).factors(small(4000))
    stays = torch.tensor([5 / 6, 4 / 6, 0.5])
    kept = forward == 1 / stays
    assert torch.equal(kept, back == 1 / stays)
    alpha, beta = ((factor * stays)[~kept] for factor in (forward, back))
    assert -0.5 <= float(alpha.min()) < -0.45
    assert 0.95 < float(beta.max()) < 1
    assert abs(float(torch.corrcoef(torch.stack([alpha, beta]))[0, 1])) < 4 / len(alpha) ** 0.5


def test_draws_belong_to_picture_and_epoch() -> None:
    ours = term(resnet(), survival=0.3)
    whole = ours.factors(small(50, epoch=3))
    part = Batch(torch.zeros(2, 1, 1, 1), torch.zeros(2).long(), (41, 7), 3)
    for of_part, of_whole in zip(ours.factors(part), whole, strict=True):
        assert torch.equal(of_part, of_whole[[41, 7]])
    assert not torch.equal(ours.factors(small(50, epoch=4))[0], whole[0])


def derivatives(model: Classifier, pixels: Tensor) -> list[Tensor]:
    """The logits, their gradient with respect to the pixels, and that of its square with respect to the weights."""
    x = pixels.detach().requires_grad_()
    logits = model(x)
    (slope,) = torch.autograd.grad(logits[:, 0].sum(), x, create_graph=True)
    weights = [weight for weight in model.parameters() if weight.ndim == 4]
    found = torch.autograd.grad(slope.square().sum(), weights, allow_unused=True)
    return [logits, slope, *(gradient for gradient in found if gradient is not None)]


def test_cheap_batch_norm_agrees_with_pytorchs_in_a_shaken_network() -> None:
    model, batch = resnet().double(), batch_of()
    term(model, survival=0.3, alpha_low=-0.5, alpha_high=0.5).prepare(batch, model)
    own = derivatives(model.train(), batch.pixels)
    with Twice():
        ours = derivatives(model, batch.pixels)
    assert len(own) == len(ours) > 8
    for one, other in zip(own, ours, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-9, atol=1e-11)


def test_released_or_in_evaluation_mode_the_network_is_the_plain_one() -> None:
    model, batch = resnet().eval(), batch_of(dtype=torch.float32)
    plain, ours = model(batch.pixels), term(model, survival=0.1)
    ours.prepare(batch, model)
    assert torch.equal(model(batch.pixels), plain)
    assert all(gate.mask is not None and gate.back is not None for gate in gates(model))
    ours.release()
    assert all(gate.mask is gate.back is None for gate in gates(model))


def test_a_network_without_branches_is_refused() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    model = Classifier(net, classes=tuple("abc"), kind="softmax", input=InputSpec(1, (2, 2)))
    with pytest.raises(ParamError, match="shakedrop: this network has no residual branches"):
        term(model)


def test_a_shaken_training_goes_on_to_the_last_bit(tmp_path: Path) -> None:
    """With the Lipschitz term, whose gradient goes back twice."""

    def run(name: str, after: int = 99) -> Training:
        (tmp_path / name).mkdir(exist_ok=True)
        pictures = Pictures.of(blobs(8), InputSpec(1, (SIDE, SIDE)))
        return Training(parse_recipe(SHAKEN), resnet(1), pictures, None, tmp_path / name, Stopping(after), question="q")

    whole = run("whole")
    whole.run()
    with pytest.raises(Cancelled):
        run("parts", after=3).run()
    again = run("parts")
    assert again.run().step == 4
    ours, theirs = again.model.net.state_dict(), whole.model.net.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert any(not torch.equal(ours[name], value) for name, value in resnet(1).net.state_dict().items())
