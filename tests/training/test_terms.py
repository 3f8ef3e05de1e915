"""Terms against what they are by hand: weight norms, sums of step lengths, energies, running sums."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from explain_core.errors import DataError, ParamError
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.models.hhrelu import hhrelu
from explain_core.training.batch import Batch, Seen, forward
from explain_core.training.terms import TERMS, Setting, Term, get_term
from explain_core.training.terms.noise import NOISES, modulation

CLASSES, SIDE = 5, 4
SIZE = 3 * SIDE * SIDE


def linear(bias: bool = True) -> Classifier:
    torch.manual_seed(3)
    net = nn.Sequential(nn.Flatten(), nn.Linear(SIZE, CLASSES, bias=bias)).double()
    names = tuple("abcde")
    model = Classifier(net, classes=names, kind="softmax", input=InputSpec(3, (SIDE, SIDE)), mean=(0.0,), std=(1.0,))
    return model.double()


def weights(model: Classifier) -> Tensor:
    """(v, N) of the linear network."""
    return next(module.weight for module in model.net.modules() if isinstance(module, nn.Linear)).detach()


def batch_of(count: int = 6, epoch: int = 0) -> Batch:
    drawn = torch.Generator().manual_seed(1)
    pixels = torch.rand(count, 3, SIDE, SIDE, generator=drawn, dtype=torch.float64)
    return Batch(pixels, torch.arange(count) % CLASSES, tuple(range(count)), epoch, seed=5)


def built(name: str, model: Classifier, counts: tuple[int, ...] = (2, 1, 1, 1, 1), **knobs: Any) -> Term:
    row = get_term(name)
    return row.build(row.params.build(knobs), Setting(model, counts))


def seen(model: Classifier, batch: Batch) -> Seen:
    asked = batch.showing(batch.pixels.detach().requires_grad_())
    return Seen(asked, model, forward(model, asked))


def penalty(model: Classifier, **knobs: Any) -> Tensor:
    """The Lipschitz term of each picture, with ψ 1."""
    loss = built("lipschitz", model, psi="fixed", psi_0=1.0, **knobs).loss(seen(model, batch_of()))
    assert loss is not None
    return loss.detach()


@pytest.mark.parametrize("z", [0.0, 1.0, 2.0, 3.0, 5.0])
@pytest.mark.parametrize("q", [0.0, 1.0, 2.0])
def test_lipschitz_of_a_linear_network_is_a_norm_of_its_weights(z: float, q: float) -> None:
    model = linear()
    sizes = weights(model).abs()
    each = sizes.pow(z).sum(1) * sizes.sum(1).pow(q) / SIZE
    found = penalty(model, z=z, q=q, zeta=0.0)
    assert all(torch.isclose(each, value).any() for value in found)
    everything = penalty(model, z=z, q=q, zeta=0.0, outputs=CLASSES)
    torch.testing.assert_close(everything, each.mean().expand(6), rtol=1e-10, atol=0)


def test_lipschitz_draws_every_output_and_none_twice() -> None:
    model = linear()
    each = weights(model).square().sum(1) / SIZE
    pairs = {round(float(a + b) / 2, 12) for i, a in enumerate(each) for b in each[i + 1 :]}
    assert {round(float(value), 12) for value in penalty(model, zeta=0.0, outputs=2)} <= pairs
    term = built("lipschitz", model, psi="fixed", psi_0=1.0, zeta=0.0)
    drawn = {
        round(float(value), 12)
        for epoch in range(20)
        for value in term.loss(seen(model, batch_of(epoch=epoch))).detach()  # type: ignore[union-attr]
    }
    assert len(drawn) == CLASSES


def test_lipschitz_of_the_true_class_and_in_tandem() -> None:
    model = linear()
    w, batch = weights(model), batch_of()
    logits = model(batch.pixels).detach()
    rival = logits.scatter(1, batch.labels[:, None], -math.inf).argmax(1)
    own, best = w[batch.labels], w[rival]
    for other, rows in (("true class", own), ("difference", own - best), ("sum", own + best)):
        torch.testing.assert_close(penalty(model, zeta=1.0, other=other), rows.square().sum(1) / SIZE)
    half = penalty(model, zeta=0.5, other="true class")
    exchanged = torch.isclose(half, own.square().sum(1) / SIZE)
    assert 0 < int(exchanged.sum()) <= 6


def test_lipschitz_dead_zone() -> None:
    model = linear()
    above = (weights(model).abs() - 0.05).clamp_min(0)
    found = penalty(model, zeta=0.0, dead_zone=0.05, outputs=CLASSES)
    torch.testing.assert_close(found, (above.square().sum(1) / SIZE).mean().expand(6))


def test_lipschitz_gradients_reach_the_weights() -> None:
    """d/dW of ψ·Σ W²/N over all outputs is 2ψW/(N·V)."""
    model = linear()
    term = built("lipschitz", model, psi="fixed", psi_0=3.0, zeta=0.0, outputs=CLASSES)
    loss = term.loss(seen(model, batch_of()))
    assert loss is not None
    loss.mean().backward()  # type: ignore[no-untyped-call]
    layer = next(module for module in model.net.modules() if isinstance(module, nn.Linear))
    torch.testing.assert_close(layer.weight.grad, 2 * 3.0 * weights(model) / (SIZE * CLASSES))


def test_adaptive_psi_over_a_scripted_sequence() -> None:
    """Σ clip(−ln(L/L_target), −0.01, 1), kept at zero or above, before it is used."""
    term = built("lipschitz", linear(), target=1.5, psi_0=220.0, pace=0.02)
    psi = term.psi  # type: ignore[attr-defined]
    total = 0.0
    for loss in (2.3, 1.5, 1.2, 0.1, 1e-9, 3.0, 1.5 * math.exp(0.005)):
        total = max(0.0, total + min(max(-math.log(loss / 1.5), -0.01), 1.0))
        assert psi.updated(torch.full((4,), loss)) == pytest.approx(220 * math.exp(0.02 * total), rel=1e-6)
        assert term.state() == {"total": psi.total}
    other = built("lipschitz", linear())
    other.restore(term.state())
    assert other.numbers() == term.numbers()


def test_psi_is_bounded_and_its_target_lies_below_chance() -> None:
    term = built("lipschitz", linear(), pace=1.0)
    for _ in range(1000):
        value = term.psi.updated(torch.zeros(1))  # type: ignore[attr-defined]
    assert math.isfinite(value)
    with pytest.raises(ParamError, match=r"target = 1\.7"):
        built("lipschitz", linear(), target=1.7)
    with pytest.raises(ParamError, match="outputs = 6"):
        built("lipschitz", linear(), outputs=6)


def test_hhrelu_with_first_and_second_derivative() -> None:
    """0; d·x² with 2d·x and 2d; x − 1/(4d) with 1 and 0, at d = 1 and elsewhere."""
    for d in (1.0, 2.5):
        x = torch.tensor([-1.0, -1e-6, 0.1 / d, 0.4 / d, 0.6 / d, 3.0], dtype=torch.float64, requires_grad=True)
        low = (x >= 0) & (x < 1 / (2 * d))
        value = hhrelu(x, 1 / (2 * d))
        (first,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)
        above = x >= 1 / (2 * d)
        nothing = torch.zeros_like(x)
        expected = (d * x**2).where(low, nothing) + (x - 1 / (4 * d)).where(above, nothing)
        torch.testing.assert_close(value, expected)
        torch.testing.assert_close(first, (2 * d * x).where(low, nothing) + above.double())
        torch.testing.assert_close(second, torch.full_like(x, 2 * d).where(low, nothing))


@pytest.mark.parametrize("noise", list(NOISES))
def test_modulation_keeps_the_mean_energy(noise: str) -> None:
    model, batch = linear(), batch_of()
    found = built("noise-modulation", model, beta=0.3, noise=noise).prepare(batch, model)
    assert found.factor is not None
    torch.testing.assert_close(found.factor.flatten(1).sum(1), torch.full((6,), float(SIZE), dtype=torch.float64))
    assert found.factor.std() > 0.1
    torch.testing.assert_close(forward(model, found), model.net(batch.pixels * found.factor))


def test_noises_have_their_moments() -> None:
    moments = {
        "gaussian": (0, 1), "uniform": (0.5, 1 / 12), "laplace": (0, 2), "gamma": (1, 1), "exponential": (1, 1),
        "rayleigh": (math.sqrt(math.pi / 2), 2 - math.pi / 2),
    }  # fmt: skip
    for name, (mean, variance) in moments.items():
        drawn = NOISES[name](torch.Size((100_000,)), torch.Generator().manual_seed(1))
        assert float(drawn.mean()) == pytest.approx(mean, abs=0.02)
        assert float(drawn.var()) == pytest.approx(variance, abs=0.05)


def test_modulation_with_beta_one_is_nothing() -> None:
    model, batch = linear(), batch_of()
    found = built("noise-modulation", model, beta=1.0).prepare(batch, model)
    assert torch.equal(forward(model, found), forward(model, batch))
    assert torch.equal(modulation(torch.zeros(1, 3, 2, 2)), torch.ones(1, 3, 2, 2))


def test_carriers_are_fresh_in_each_epoch_unless_asked_otherwise() -> None:
    model = linear()
    for fresh in (True, False):
        term = built("noise-modulation", model, fresh=fresh)
        first, second = (term.prepare(batch_of(epoch=epoch), model).factor for epoch in (0, 1))
        assert first is not None
        assert second is not None
        assert torch.equal(first, second) is not fresh


def test_elastic_net_is_l1_and_l2() -> None:
    model = linear()
    given = seen(model, batch_of())
    one, two, both = (
        built("kernels", model, l1=l1, l2=l2).loss(given) for l1, l2 in ((0.03, 0.0), (0.0, 0.2), (0.03, 0.2))
    )
    assert one is not None
    assert two is not None
    torch.testing.assert_close(both, one + two)
    torch.testing.assert_close(one.detach(), 0.03 * weights(model).abs().sum())
    torch.testing.assert_close(two.detach(), 0.2 * weights(model).square().sum())


def test_output_zeroing_by_hand() -> None:
    model = linear()
    given = seen(model, batch_of())
    found = built("output-zeroing", model, weight=0.3).loss(given)
    torch.testing.assert_close(found, 0.3 * given.logits.square().sum(1))
    from explain_core.training.terms.output_zeroing import balance

    assert balance(10) == pytest.approx(0.01, rel=0.2)
    assert balance(1000) == pytest.approx(6e-5, rel=0.15)


def test_balanced_cross_entropy_counts_classes_alike() -> None:
    model, counts = linear(), (4, 2, 1, 1, 2)
    given = seen(model, batch_of())
    found = built("cross-entropy", model, counts, balanced=True).loss(given)
    share = torch.tensor([sum(counts) / (count * CLASSES) for count in counts], dtype=torch.float64)
    torch.testing.assert_close(found, given.cross_entropy * share[given.batch.labels], rtol=1e-6, atol=0)
    with pytest.raises(DataError, match="several labels"):
        built("cross-entropy", model, (), balanced=True)


def changes(knobs: dict[str, Any], model: Classifier | None = None, batch: Batch | None = None) -> Tensor:
    """RMSE of each picture's change by adversarial training."""
    model, batch = model or linear(), batch or batch_of()
    found = built("adversarial", model, **knobs).prepare(batch, model)
    return (found.pixels - batch.pixels).flatten(1).square().mean(1).sqrt()


@pytest.mark.parametrize("lengths", ["even", "triangular"])
def test_l2_steps_sum_to_epsilon(lengths: str) -> None:
    """A linear network of two classes has one direction: k steps along it make ε."""
    model = two_classes()
    batch = Batch(batch_of().pixels, torch.arange(6) % 2, tuple(range(6)))
    moved = changes({"attack": "l2", "eps": 0.02, "lengths": lengths, "clip": False}, model, batch)
    torch.testing.assert_close(moved, torch.full((6,), 0.02, dtype=torch.float64), rtol=1e-6, atol=0)


def test_l2_min_steps_sum_to_epsilon_and_the_smallest_that_fooled_is_kept() -> None:
    """On a line: step n of k has length 2(k − n)/(k(k + 1))·ε; home once the class is lost."""
    model, k, eps = two_classes(), 7, 0.05
    w = weights(model)
    direction = w[1] - w[0]
    unit = direction / direction.square().mean().sqrt()
    lengths = [2 * (k - n) / (k * (k + 1)) * eps for n in range(k)]
    assert sum(lengths) == pytest.approx(eps)
    for distance in (0.3 * eps, 0.8 * eps, 2 * eps):
        x = torch.full((SIZE,), 0.5, dtype=torch.float64) - unit * distance
        batch = Batch(x.view(1, 3, SIDE, SIDE), torch.tensor([0]), (0,))
        place, smallest = 0.0, 0.0
        for length in lengths:
            lost = place > distance
            smallest = min(smallest or math.inf, place) if lost else smallest
            place += -length if lost else length
        smallest = min(smallest or math.inf, place) if place > distance else smallest
        knobs = {"attack": "l2-min", "eps": eps, "steps": k, "clip": False}
        assert float(changes(knobs, centred(model), batch)) == pytest.approx(smallest, abs=1e-9)


def two_classes() -> Classifier:
    torch.manual_seed(4)
    net = nn.Sequential(nn.Flatten(), nn.Linear(SIZE, 2)).double()
    return Classifier(net, classes=("a", "b"), kind="softmax", input=InputSpec(3, (SIDE, SIDE))).double()


def centred(model: Classifier) -> Classifier:
    """The same with its border through mid-grey."""
    layer = next(module for module in model.net.modules() if isinstance(module, nn.Linear))
    with torch.no_grad():
        layer.bias.copy_(-layer.weight.sum(1) / 2)
    return model


def test_linf_stays_in_its_cube_and_begins_at_random() -> None:
    model, batch = linear(), batch_of()
    found = built("adversarial", model, attack="linf", eps=0.03, steps=3).prepare(batch, model)
    moved = (found.pixels - batch.pixels).abs()
    assert float(moved.max()) <= 0.03 * (1 + 1e-9)
    assert 0 <= float(found.pixels.min()) <= float(found.pixels.max()) <= 1
    assert torch.equal(
        found.pixels, built("adversarial", model, attack="linf", eps=0.03, steps=3).prepare(batch, model).pixels
    )


def test_half_half_leaves_a_half_clean_and_the_network_as_it_was() -> None:
    model = linear().train()
    pixels = batch_of(40).pixels
    batch = Batch(pixels, torch.arange(40) % CLASSES, tuple(range(40)))
    moved = changes({"share": 0.5, "eps": 0.01}, model, batch)
    assert 10 <= int((moved == 0).sum()) <= 30
    assert model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


def test_draws_belong_to_a_picture_whoever_else_is_in_the_batch() -> None:
    model, whole = linear(), batch_of()
    part = Batch(whole.pixels[[4, 1]], whole.labels[[4, 1]], (4, 1), whole.epoch, whole.seed)
    for name, knobs in (
        ("crop-and-flip", {"pad": 1}), ("gaussian-noise", {}), ("adversarial", {"attack": "linf", "share": 0.5}),
    ):  # fmt: skip
        term = built(name, model, **knobs)
        torch.testing.assert_close(term.prepare(part, model).pixels, term.prepare(whole, model).pixels[[4, 1]])


def test_every_term_is_in_the_table_in_the_order_it_acts() -> None:
    names = list(TERMS)
    assert names.index("crop-and-flip") < names.index("adversarial") < names.index("noise-modulation")
    assert names.index("cross-entropy") < names.index("lipschitz")
    with pytest.raises(ParamError, match="did you mean 'lipschitz'"):
        get_term("lipshitz")
