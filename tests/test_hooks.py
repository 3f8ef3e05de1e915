"""Activations are seen in execution order on every kind of network, cheaply where they are modules."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from explain_core.hooks import Watch, maps_of, survey
from explain_core.models.classifier import Classifier

COUNTS = {"functional": 2, "in-place": 2, "reused": 2, "residual": 2, "grey": 2}


@pytest.mark.parametrize("name", COUNTS)
def test_every_activation_is_seen_once(name: str, tiny_named: Callable[[str], Classifier]) -> None:
    model = tiny_named(name)
    x = torch.rand(2, model.input.channels, 16, 16)
    outputs, places = survey(model.net, lambda: model(x))
    assert len(outputs) == len(places) == COUNTS[name]
    assert all((output >= 0).all() for output in outputs)
    assert all(place is None for place in places) == (name in ("functional", "grey"))
    for wanted in ((0,), (1,), (0, 1)):
        watch = Watch(model.net, wanted, tuple(places[number] for number in wanted))
        logits, kept = watch.run(lambda: model(x))
        assert torch.equal(logits, model(x))
        for number, value in zip(wanted, kept, strict=True):
            assert torch.equal(value, outputs[number])


def test_a_reused_module_is_told_apart_by_its_calls(tiny_named: Callable[[str], Classifier]) -> None:
    model = tiny_named("reused")
    _, places = survey(model.net, lambda: model(torch.rand(1, 3, 16, 16)))
    assert places == (("relu", 0), ("relu", 1))


class Spoiler(nn.Module):
    """Changes an activation in place after it was put out."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(x)
        y += 1
        return y


def test_an_activation_changed_later_is_kept_as_it_was() -> None:
    net, x = Spoiler(), torch.randn(1, 1, 2, 2)
    outputs, places = survey(net, lambda: net(x))
    assert torch.equal(outputs[0], x.relu())
    _, kept = Watch(net, (0,), places).run(lambda: net(x))
    assert torch.equal(kept[0], x.relu())


def test_hooks_of_another_thread_hear_nothing(tiny_named: Callable[[str], Classifier]) -> None:
    from threading import Thread

    model, x = tiny_named("in-place"), torch.rand(1, 3, 16, 16)
    with maps_of(model.net, ["0", "3"]) as maps:
        other = Thread(target=lambda: model(x))
        other.start()
        other.join()
        assert not maps.shapes
        model(x)
    assert list(maps.kept) == ["0", "3"]
    assert not any(module._forward_hooks for module in model.modules())
