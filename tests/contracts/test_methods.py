"""What every row of METHODS must do, on every kind of network; a new row is tested by being there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

from explain_core import explain
from explain_core.descent.projections import rms
from explain_core.engine.lending import lend
from explain_core.errors import CannotExplain, ParamError
from explain_core.methods import METHODS
from explain_core.methods.base import Method
from explain_core.models.classifier import Classifier
from explain_core.params import Choice, Knob, Params, Range, knobs
from explain_core.types import Explanation, Question
from tests.descent.walking import walk

ALL = pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))
WITH_RHO = pytest.mark.parametrize(
    "method", [row for row in METHODS.values() if row.rho != "none"], ids=lambda row: row.name
)
FEW = {"steps": 15, "samples": 15}


def quick(method: Method, **values: Any) -> Params:
    """The method's defaults, with few steps or samples where it has them."""
    few = {knob.name: FEW[knob.name] for knob in knobs(method.params) if knob.name in FEW}
    return method.params.build({**few, **values})


def pictures(model: Classifier, count: int, rng: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(count, model.input.channels, 16, 16, generator=rng, dtype=torch.float64).to(dtype)


def keys_of(x: Tensor) -> tuple[str, ...]:
    """As the engine names pictures: by what they are, not by their place in the batch."""
    return tuple(hashlib.sha256(picture.cpu().numpy().tobytes()).hexdigest() for picture in x)


def ask(method: Method, model: Classifier, x: Tensor, rho: list[float] | None = None, **values: Any) -> Explanation:
    with torch.no_grad():
        target = model(x).argmax(1)
    bound = None if rho is None or method.rho == "none" else torch.tensor(rho, dtype=x.dtype)
    question = Question(x, target, bound, keys=keys_of(x))
    with lend(model):
        return walk(method.run(model, question, quick(method, **values)))[0]


def tensors(found: Explanation) -> dict[str, Tensor]:
    named = {"saliency": found.saliency, "perturbed": found.perturbed, "mask": found.mask, "after": found.after}
    return {name: value for name, value in {**named, **found.numbers}.items() if value is not None}


@ALL
def test_shapes_and_values(method: Method, any_tiny: Classifier, rng: torch.Generator) -> None:
    x = pictures(any_tiny, 3, rng)
    reason = method.cannot(any_tiny)
    if reason:
        with pytest.raises(CannotExplain, match=reason.split()[0]):
            ask(method, any_tiny, x, [0.05] * 3)
        return
    found = ask(method, any_tiny, x, [0.02, 0.05, 0.1])
    assert found.saliency.shape == (3, 16, 16)
    assert found.before.shape == (3, len(any_tiny.classes))
    assert len(found.outcomes) == len(found.passes) == 3
    assert all(text and "\n" not in text for text in found.outcomes)
    assert all(passes.units > 0 for passes in found.passes)
    for name, value in tensors(found).items():
        assert not value.requires_grad, name
        assert value.isfinite().all(), name
    assert found.saliency.dtype == x.dtype
    if found.perturbed is not None:
        assert found.after is not None
        assert found.perturbed.shape == x.shape
        assert ((found.perturbed >= 0) & (found.perturbed <= 1)).all()
        with torch.no_grad():
            assert torch.allclose(any_tiny(found.perturbed), found.after, atol=1e-4)


@WITH_RHO
def test_the_ball_is_never_left(method: Method, any_tiny: Classifier, rng: torch.Generator) -> None:
    if reason := method.cannot(any_tiny):
        pytest.skip(reason)
    x, rho = pictures(any_tiny, 4, rng), [1e-4, 0.01, 0.05, 0.3]
    found = ask(method, any_tiny, x, rho)
    assert found.perturbed is not None
    reached = rms(found.perturbed.double() - x.double())
    assert (reached <= torch.tensor(rho).double() + 1e-7).all()


@ALL
@pytest.mark.parametrize("name", ["functional", "residual"])
def test_rows_are_independent(
    method: Method, name: str, tiny_named: Callable[[str], Classifier], rng: torch.Generator
) -> None:
    """Three pictures at once are three single runs, to 1e-9 in float64."""
    model = tiny_named(name).to(torch.float64)
    x, rho = pictures(model, 3, rng, torch.float64), [0.02, 0.05, 0.1]
    together = tensors(ask(method, model, x, rho))
    for row in range(3):
        alone = tensors(ask(method, model, x[row : row + 1], rho[row : row + 1]))
        for key, value in together.items():
            assert (value[row].double() - alone[key][0].double()).abs().max() < 1e-9, key


@ALL
@pytest.mark.parametrize("name", ["functional", "residual"])
def test_rows_are_alike_in_float32(
    method: Method, name: str, tiny_named: Callable[[str], Classifier], rng: torch.Generator
) -> None:
    """Asked as a user asks, because what is too sensitive for float32 is never put in one batch."""
    model, values = tiny_named(name), quick(method).as_dict()
    x, rho = pictures(model, 3, rng), None if method.rho == "none" else 0.05
    together = explain(model, x, method=method.name, rho=rho, **values)
    for row, answer in enumerate(together):
        (alone,) = explain(model, x[row], method=method.name, rho=rho, **values)
        assert alike(torch.tensor(answer.saliency), torch.tensor(alone.saliency))


def alike(first: Tensor, second: Tensor) -> bool:
    """Equal to 1e-6, or of one order: a hundred steps in float32 amplify the last bits."""
    if torch.allclose(first, second, rtol=0, atol=1e-6):
        return True
    return bool(spearmanr(first.flatten(), second.flatten()).statistic >= 0.99)


@WITH_RHO
def test_a_path_is_one_batch(method: Method, tiny: Classifier, rng: torch.Generator) -> None:
    """One picture at three ρ in one batch is three runs."""
    model, rho = tiny.double(), [0.01, 0.05, 0.2]
    x = pictures(model, 1, rng, torch.float64)
    path = ask(method, model, x.expand(3, -1, -1, -1), rho)
    assert path.perturbed is not None
    for row, bound in enumerate(rho):
        alone = ask(method, model, x, [bound])
        assert alone.perturbed is not None
        assert (path.perturbed[row] - alone.perturbed[0]).abs().max() < 1e-9


@ALL
def test_the_same_question_gives_the_same_bits(method: Method, tiny: Classifier, rng: torch.Generator) -> None:
    x = pictures(tiny, 3, rng)
    first, second = (ask(method, tiny, x, [0.02, 0.05, 0.1]) for _ in range(2))
    for name, value in tensors(first).items():
        assert torch.equal(value, tensors(second)[name]), name


def state_of(model: Classifier) -> list[object]:
    weights = [value.clone() for value in model.state_dict().values()]
    flags = [(module.training, getattr(module, "inplace", None)) for module in model.modules()]
    learning = [(parameter.requires_grad, parameter.grad is None) for parameter in model.parameters()]
    hooks = [len(module._forward_hooks) + len(module._backward_hooks) for module in model.modules()]
    return [weights, flags, learning, hooks, torch.get_rng_state()]


def same(first: list[object], second: list[object]) -> bool:
    weights, random = (zip(first[0], second[0], strict=True), (first[-1], second[-1]))  # type: ignore[call-overload]
    bits = all(torch.equal(a, b) for a, b in [*weights, random])
    return bits and first[1:-1] == second[1:-1]


@ALL
def test_the_model_comes_back_as_it_was(method: Method, tiny_named: Callable[[str], Classifier]) -> None:
    for name in ("in-place", "residual"):
        model = tiny_named(name)
        model.net.train()
        x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(3))
        before = state_of(model)
        with lend(model):
            target = model(x).argmax(1)
            question = Question(x, target, None if method.rho == "none" else torch.full((2,), 0.05))
            walk(method.run(model, question, quick(method)))
        assert same(before, state_of(model))


@ALL
def test_the_model_comes_back_after_an_exception(method: Method, tiny: Classifier, rng: torch.Generator) -> None:
    x = pictures(tiny, 2, rng)
    before = state_of(tiny)
    bad = Question(x, torch.tensor([0, 99]), None if method.rho == "none" else torch.full((2,), 0.05))
    with pytest.raises((RuntimeError, IndexError)), lend(tiny):
        walk(method.run(tiny, bad, quick(method)))
    assert same(before, state_of(tiny))


def ends(knob: Knob) -> list[Any]:
    """The values at which a knob must work."""
    if isinstance(knob.rule, Range):
        return [knob.kind(end) for end in (knob.rule.low, knob.rule.high)]
    if isinstance(knob.rule, Choice):
        return list(knob.rule.options)
    return [False, True] if knob.kind is bool else [knob.default]


def beyond(knob: Knob) -> list[Any]:
    """Values that must be refused."""
    if isinstance(knob.rule, Range):
        return [knob.rule.low - 1, knob.rule.high + 1, float("nan"), "many"]
    return ["no such thing!", 17] if knob.kind is str else ["perhaps"]


KNOBS = [
    pytest.param(method, knob, id=f"{method.name}-{knob.name}")
    for method in METHODS.values()
    for knob in knobs(method.params)
]
TOGETHER = {"ape-epsilon": {"rate": 0.0005}, "ape-rate": {"epsilon": 0.2}}
"""Knobs that bound each other, and what the other must be at the ends of the one."""


@pytest.mark.parametrize(("method", "knob"), KNOBS)
def test_each_knob_works_at_its_ends(method: Method, knob: Knob, tiny: Classifier, rng: torch.Generator) -> None:
    x = pictures(tiny, 1, rng)
    for value in ends(knob):
        others = TOGETHER.get(f"{method.name}-{knob.name}", {})
        if knob.name in FEW and value > 100:
            quick(method, **{knob.name: value})  # as long as it is, the loop is the same
            continue
        for rho in ([0.05], None):
            found = ask(method, tiny, x, rho, **{**others, knob.name: value})
            assert found.saliency.isfinite().all()


@pytest.mark.parametrize(("method", "knob"), KNOBS)
def test_one_step_beyond_is_refused(method: Method, knob: Knob) -> None:
    for value in beyond(knob):
        with pytest.raises(ParamError, match=knob.name):
            method.params.build({knob.name: value})
    with pytest.raises(ParamError, match="No parameter"):
        method.params.build({"nonsense": 1})


@pytest.mark.gpu
@ALL
def test_on_a_gpu(method: Method, tiny: Classifier, rng: torch.Generator) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    x, rho = pictures(tiny, 3, rng, torch.float64), [0.02, 0.05, 0.1]
    here = ask(method, tiny.double(), x, rho)
    model = tiny.double().cuda()
    with torch.no_grad():
        target = model(x.cuda()).argmax(1)
    bound = None if method.rho == "none" else torch.tensor(rho, dtype=torch.float64).cuda()
    with lend(model):
        question = Question(x.cuda(), target, bound, keys=keys_of(x))
        there = walk(method.run(model, question, quick(method)))[0]
    assert torch.allclose(here.saliency, there.saliency.cpu(), atol=1e-6)
