"""Convolutions with kernels laid out once, against torch's own in float64, and when they step aside."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from explain_core.models.packed import PackedConv2d, pack

SIDES = st.integers(1, 9)


def packed(*args: Any, **knobs: Any) -> nn.Conv2d:
    torch.manual_seed(0)
    found = nn.Conv2d(*args, **knobs).requires_grad_(False)
    assert pack(nn.Sequential(found)) == 1
    assert isinstance(found, PackedConv2d)
    return found


def exact(module: nn.Conv2d, x: Tensor) -> Tensor:
    """In float64, by nn.Conv2d itself."""
    bias = None if module.bias is None else module.bias.double()
    return module._conv_forward(x.double(), module.weight.double(), bias)


def slope(module: Any, x: Tensor, seen: Tensor) -> Tensor:
    z = x.detach().clone().requires_grad_()
    return torch.autograd.grad(module(z), z, seen)[0]


@settings(max_examples=80, deadline=None)
@given(
    batch=st.integers(1, 3),
    groups=st.sampled_from([1, 2, 4]),
    each=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    sides=st.tuples(SIDES, SIDES),
    bias=st.booleans(),
    last=st.booleans(),
)
def test_any_convolution(
    batch: int,
    groups: int,
    each: tuple[int, int],
    sides: tuple[int, int],
    last: bool,
    **knobs: Any,
) -> None:
    axes = zip(sides, knobs["padding"], knobs["dilation"], knobs["kernel"], strict=True)
    assume(all(side + 2 * padding > dilation * (kernel - 1) for side, padding, dilation, kernel in axes))
    module = packed(groups * each[0], groups * each[1], knobs.pop("kernel"), groups=groups, **knobs)
    x = torch.rand(batch, groups * each[0], *sides) - 0.5
    if last:
        x = x.to(memory_format=torch.channels_last)
    found, right = module(x), exact(module, x)
    torch.testing.assert_close(found.double(), right, rtol=1e-5, atol=1e-5)
    seen = torch.rand_like(right)
    expected = slope(lambda z: exact(module, z), x.double(), seen)
    for _ in range(2):  # laying out, and laid out
        torch.testing.assert_close(slope(module, x, seen.float()).double(), expected, rtol=1e-4, atol=1e-5)


def test_it_is_taken_at_once_and_keeps_what_it_laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    module, x = packed(4, 8, 3), torch.rand(2, 4, 9, 9)
    first = module(x)
    monkeypatch.setattr(nn.Conv2d, "forward", None)  # not asked any more
    assert torch.equal(module(x), first)
    assert first.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_changed_weights_count(part: str) -> None:
    module, x = packed(3, 4, 3), torch.rand(1, 3, 6, 6)
    before, seen = module(x), torch.rand(1, 4, 4, 4)
    old = slope(module, x, seen)
    with torch.no_grad():
        getattr(module, part).mul_(2)
    torch.testing.assert_close(module(x).double(), exact(module, x), rtol=1e-5, atol=1e-5)
    assert not torch.equal(module(x), before)
    torch.testing.assert_close(slope(module, x, seen), (2 if part == "weight" else 1) * old)
    setattr(module, part, nn.Parameter(torch.ones_like(getattr(module, part)), requires_grad=False))
    torch.testing.assert_close(module(x).double(), exact(module, x), rtol=1e-5, atol=1e-5)


def test_a_copy_stands_alone() -> None:
    module, x = packed(3, 4, 3), torch.rand(1, 3, 6, 6)
    before = module(x)
    other = copy.deepcopy(module)
    with torch.no_grad():
        other.weight.zero_()
    assert torch.equal(module(x), before)
    assert torch.equal(other(x), other.bias.view(1, -1, 1, 1).expand_as(before))


CASES = ("double", "sixteen bits", "learning weight", "learning bias", "no oneDNN", "no pictures", "unbatched")


@pytest.mark.parametrize("case", [*CASES, "halved gradient"])
def test_other_cases_are_torchs(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, x = packed(3, 4, 3), torch.rand(2, 3, 6, 6)
    if case == "double":
        module, x = module.double(), x.double()
    elif case == "sixteen bits":
        module, x = module.bfloat16(), x.bfloat16()
    elif case == "no pictures":
        x = x[:0]
    elif case == "unbatched":
        x = x[0]
    elif case.startswith("learning"):
        getattr(module, case.split()[1]).requires_grad_(True)
    plain = copy.deepcopy(module)
    plain.__class__ = nn.Conv2d
    monkeypatch.setattr("explain_core.models.packed.mkldnn", None)
    if case == "no oneDNN":
        monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
        assert torch.equal(module(x), plain(x))
    elif case == "halved gradient":
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(module(x.requires_grad_()), plain(x))
    else:
        assert torch.equal(module(x), plain(x))
    if case.startswith("learning"):
        module(x).sum().backward()
        assert getattr(module, case.split()[1]).grad.abs().sum() > 0


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="this processor has no bfloat16")
def test_eight_bits_where_they_are_asked_for() -> None:
    module, x = packed(8, 8, 3), torch.rand(2, 8, 9, 9)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = module(x)
        again = module(half[:, :, :7, :7])  # a map that has been halved already
    assert half.dtype == again.dtype == torch.bfloat16
    assert 0 < (half.double() - exact(module, x)).abs().max() < 0.02
    torch.testing.assert_close(module(x).double(), exact(module, x), rtol=1e-5, atol=1e-5)


def test_a_derivative_of_the_derivative() -> None:
    module, x = packed(3, 4, 3, stride=2, padding=1), torch.rand(1, 3, 7, 7)

    def second(each: Any, x: Tensor) -> Tensor:
        z = x.clone().requires_grad_()
        (first,) = torch.autograd.grad(each(z).pow(3).sum(), z, create_graph=True)
        return torch.autograd.grad(first.pow(2).sum(), z)[0]

    torch.testing.assert_close(
        second(module, x).double(), second(lambda z: exact(module, z), x.double()), rtol=1e-4, atol=1e-4
    )


def test_what_is_packed() -> None:
    class Own(nn.Conv2d):
        """Of somebody's own, with more to it than its weights."""

    shared = nn.Conv2d(3, 3, 1)
    odd = [nn.Conv2d(3, 3, 3, padding="same"), nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), Own(3, 3, 1)]
    net = nn.Sequential(shared, shared, *odd, nn.ConvTranspose2d(3, 3, 1))
    assert pack(net) == 1
    assert isinstance(net[0], PackedConv2d)
    assert net[1] is net[0]
    assert not any(isinstance(module, PackedConv2d) for module in odd)
