"""Stochastic depth's gate: its closed form, and that it leaves no trace where it is not used."""

from __future__ import annotations

import torch

from explain_core.models.architectures import Shape, build
from explain_core.models.architectures.gate import Gate
from explain_core.models.architectures.preact_resnet import PreActResNet
from explain_core.models.weights import undrawn


def gates(net: torch.nn.Module) -> list[Gate]:
    return [module for module in net.modules() if isinstance(module, Gate)]


def test_a_mask_scales_each_row_of_the_branch_in_training_only(rng: torch.Generator) -> None:
    shortcut, branch = torch.randn(2, 3, 4, 5, 6, generator=rng).unbind()
    mask = torch.tensor([0.0, 1.25, 1.0])
    gate = Gate()
    assert torch.equal(gate(shortcut, branch), shortcut + branch)
    gate.mask = mask
    out = gate(shortcut, branch)
    assert torch.equal(out[0], shortcut[0])
    assert torch.equal(out[1], shortcut[1] + 1.25 * branch[1])
    assert torch.equal(out[2], shortcut[2] + branch[2])
    assert torch.equal(gate.eval()(shortcut, branch), shortcut + branch)


def test_divided_by_its_probability_a_branch_keeps_its_mean(rng: torch.Generator) -> None:
    gate, survival = Gate(), 0.8
    gate.mask = (torch.rand(40_000, generator=rng) < survival).float() / survival
    out = gate(torch.zeros(40_000, 1), torch.ones(40_000, 1))
    assert abs(float(out.mean()) - 1) < 4 * 0.5 / 40_000**0.5  # four standard errors


def test_the_mask_of_float64_follows_the_branch() -> None:
    gate = Gate()
    gate.mask = torch.ones(2, dtype=torch.float64)
    assert gate(torch.zeros(2, 1), torch.zeros(2, 1)).dtype == torch.float32


def test_residual_networks_have_a_gate_for_each_branch_and_none_in_their_keys() -> None:
    shape = Shape(3, (32, 32), 10)
    with torch.random.fork_rng(devices=[]):
        nets = {name: build(name, {"width": 0.25}, shape) for name in ("preact-resnet", "resnet18", "resnet50")}
    assert {name: len(gates(net)) for name, net in nets.items()} == {"preact-resnet": 21, "resnet18": 8, "resnet50": 16}
    assert not [key for net in nets.values() for key in net.state_dict() if "gate" in key]
    published = undrawn(lambda: PreActResNet(10, widths=(4, 8, 16)))
    assert list(published.state_dict()) == list(nets["preact-resnet"].state_dict())
    assert "Gate" not in str(published)


def test_a_dropped_branch_learns_nothing() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        net = build("preact-resnet", {"width": 0.25, "depth": 1}, Shape(3, (32, 32), 10))
        x = torch.randn(2, 3, 32, 32)
    dropped, *others = gates(net)
    dropped.mask = torch.zeros(2)
    for gate in others:
        gate.mask = torch.ones(2)
    net(x).square().sum().backward()
    keys = [key for key, weight in net.named_parameters() if ".main." in key and weight.grad is not None]
    moved = {key.split(".main.")[0] for key in keys if net.get_parameter(key).grad.any()}  # type: ignore[union-attr]
    assert moved == {"pipe.2.0", "pipe.3.0"}
