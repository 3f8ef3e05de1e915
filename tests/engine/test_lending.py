"""A lent model comes back exactly as it was."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from explain_core.engine.lending import lend
from tests.engine.walking import PATIENCE


def mixed() -> nn.Sequential:
    """A network whose flags are all over the place."""
    net = nn.Sequential(nn.Linear(2, 3), nn.Dropout(), nn.BatchNorm1d(3), nn.Linear(3, 2))
    net.train()
    net[2].eval()
    net[0].weight.requires_grad_(False)
    net[3].weight.grad = torch.ones_like(net[3].weight)
    return net


def flags(net: nn.Module) -> list[bool]:
    return [m.training for m in net.modules()] + [p.requires_grad for p in net.parameters()]


def test_inside_it_is_in_eval_mode_and_frozen() -> None:
    net = mixed()
    with lend(net):
        assert not any(flags(net))


@pytest.mark.parametrize("fails", [False, True])
def test_every_flag_comes_back(fails: bool) -> None:
    net = mixed()
    was, state = flags(net), {name: tensor.clone() for name, tensor in net.state_dict().items()}
    random = torch.get_rng_state()
    try:
        with lend(net), lend(net):
            net(torch.ones(4, 2))
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        assert fails
    assert flags(net) == was
    assert torch.equal(net[3].weight.grad, torch.ones(2, 3))
    assert net[3].bias.grad is None
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def test_a_network_with_its_own_train_is_not_asked_to_change() -> None:
    class Stubborn(nn.Linear):
        def train(self, mode: bool = True) -> Stubborn:
            raise AssertionError("train() was called")

    net = Stubborn(2, 2)
    with lend(net):
        assert not net.training
    assert net.training


def test_another_thread_waits_for_its_turn() -> None:
    net, seen = mixed(), []
    waiting = threading.Event()

    def borrow() -> None:
        waiting.set()
        with lend(net):
            seen.append("other")

    thread = threading.Thread(target=borrow)
    with lend(net):
        thread.start()
        assert waiting.wait(PATIENCE)
        seen.append("first")
    thread.join(PATIENCE)
    assert seen == ["first", "other"]
