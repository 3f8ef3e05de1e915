"""A prepared network against the plain one: what is folded, what is left alone, and that nothing else changes."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explain_core.hooks import maps_of
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.models.packed import _Kernels
from explain_core.models.prepared import foldable, prepare, told, unshifted

CLASSES = ("red", "green", "blue")


def stirred(net: nn.Module) -> nn.Module:
    """With batch-norm that does something."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.normal_()
            module.running_var.uniform_(0.2, 3)
            if module.affine:
                nn.init.uniform_(module.weight, -1.5, 1.5)
                nn.init.normal_(module.bias)
    return net.eval().requires_grad_(False)


def classifier(net: nn.Module, **knobs: bool) -> Classifier:
    made = Classifier(stirred(net), classes=CLASSES, kind="softmax", input=InputSpec(3), **knobs)
    return made.eval().requires_grad_(False)


def head(channels: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3)]


def plain(**knobs: bool) -> nn.Module:
    first = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8, **knobs), nn.ReLU()]
    second = [nn.Conv2d(8, 8, 3, groups=4, bias=False), nn.BatchNorm2d(8, eps=0.1), nn.ReLU()]
    return nn.Sequential(*first, *second, *head(8))


class Residual(nn.Module):
    """What the first convolution puts out is also added later, so that only the second may be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3, padding=1)
        self.norm, self.other = nn.BatchNorm2d(6), nn.BatchNorm2d(6)
        self.head = nn.Sequential(*head(6))

    def forward(self, x: Tensor) -> Tensor:
        first = self.one(x)
        found: Tensor = self.head(first + self.other(self.two(F.relu(self.norm(first)))))
        return found


class Shared(Residual):
    """One batch-norm after both convolutions."""

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.norm(self.two(F.relu(self.norm(self.one(x))))))
        return found


class Undecided(Residual):
    """Cannot be traced."""

    def forward(self, x: Tensor) -> Tensor:
        first = self.norm(self.one(x))
        found: Tensor = self.head(F.relu(first) if float(x.detach().sum()) > 0 else first)
        return found


class Deceptive(nn.Conv2d):
    """A convolution of somebody's own, with more to it than its weights."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).square()


def deceptive() -> nn.Module:
    return nn.Sequential(Deceptive(3, 4, 3), nn.BatchNorm2d(4), *head(4))


def wide() -> nn.Module:
    """Most of its weights are in a convolution of many channels."""
    kernels = [nn.Conv2d(3, 128, 1), nn.ReLU(), nn.Conv2d(128, 16, 3), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*kernels, *head(16))


def gradient(model: Classifier, x: Tensor) -> Tensor:
    z = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(model(z)[:, 1].sum(), z)
    return slope


@pytest.mark.parametrize(
    ("net", "pairs"),
    [
        (plain, [("0", "1"), ("3", "4")]),
        (lambda: plain(affine=False), [("0", "1"), ("3", "4")]),
        (lambda: plain(track_running_stats=False), [("3", "4")]),
        (Residual, [("two", "other")]),
        (Shared, []),
        (Undecided, []),
        (deceptive, []),
        (wide, [("2", "3")]),
    ],
)
def test_what_is_folded(net: Callable[[], nn.Module], pairs: list[tuple[str, str]]) -> None:
    model = classifier(net())
    assert foldable(model.net) == pairs
    ready = prepare(model)
    done = ["batch-norm folded"] * bool(pairs) + ["kernels laid out"] * (net is not deceptive)
    assert told(model, ready) == (", ".join(done) or "as it is")
    x = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(ready(x), model(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradient(ready, x), gradient(model, x), rtol=1e-4, atol=1e-6)


def test_the_original_is_left_alone() -> None:
    model = classifier(plain())
    before, hashed = copy.deepcopy(model.state_dict()), model.sha256()
    ready = prepare(model)
    assert model.sha256() == hashed
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    mine = {tensor.data_ptr() for tensor in [*model.parameters(), *model.buffers()]}
    assert not mine & {tensor.data_ptr() for tensor in [*ready.parameters(), *ready.buffers()]}
    assert [name for name, _ in ready.named_modules()] == [name for name, _ in model.named_modules()]
    assert (ready.spec, ready.classes, ready.kind, ready.input) == (model.spec, model.classes, model.kind, model.input)
    assert not any(parameter.requires_grad for parameter in ready.parameters())


def test_what_was_done_is_told() -> None:
    own = nn.Sequential(Deceptive(3, 4, 3), *head(4))
    done = {"batch-norm folded, kernels laid out": plain(), "kernels laid out": Shared(), "as it is": own}
    for words, net in done.items():
        model = classifier(net)
        assert told(model, prepare(model)) == words


def test_the_order_of_memory_is_for_inside_only() -> None:
    model = classifier(wide())
    ready, x = prepare(model), torch.rand(2, 3, 16, 16)
    assert ready.channels_last
    assert not model.channels_last
    assert gradient(ready, x).is_contiguous()
    own = prepare(classifier(wide(), standardise=True))
    assert own.about(x).channels_last


class Viewed(Residual):
    """Takes its map for rows of numbers, which it is in one order of memory only."""

    def forward(self, x: Tensor) -> Tensor:
        first = self.norm(self.one(x))
        found: Tensor = first.view(x.shape[0], -1)[:, :3]
        return found


def test_a_network_that_insists_on_an_order_of_memory_is_folded_only() -> None:
    model = classifier(Viewed())
    ready, x = prepare(model), torch.rand(2, 3, 16, 16)
    assert told(model, ready) == "batch-norm folded"
    torch.testing.assert_close(ready(x), model(x), rtol=1e-5, atol=1e-5)


def test_without_onednn_or_a_way_back_it_is_folded_only(monkeypatch: pytest.MonkeyPatch) -> None:
    model = classifier(plain())
    with monkeypatch.context() as here:
        here.setattr(torch.backends.mkldnn, "is_available", lambda: False)
        assert told(model, prepare(model)) == "batch-norm folded"
    with monkeypatch.context() as here:
        here.setattr("explain_core.models.packed._Kernels.back", None)
        assert told(model, prepare(model)) == "batch-norm folded"
    back = _Kernels.back
    with monkeypatch.context() as here:  # a way back that leads elsewhere
        here.setattr("explain_core.models.packed._Kernels.back", lambda *asked: 2 * back(*asked))
        assert told(model, prepare(model)) == "batch-norm folded"


def test_a_picture_standardised_by_itself() -> None:
    model = classifier(plain(), standardise=True)
    ready, x = prepare(model), torch.rand(2, 3, 16, 16)
    assert ready is not model
    torch.testing.assert_close(ready.about(x)(x / 2), model.about(x)(x / 2), rtol=1e-5, atol=1e-5)


def test_a_fold_that_changes_logits_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    model = classifier(plain())
    monkeypatch.setattr("explain_core.models.prepared.foldable", lambda _: [("0", "4")])  # not one after the other
    assert prepare(model) is model


def test_a_folded_map_is_the_layers_own_but_for_its_scale() -> None:
    model = classifier(plain())
    ready, x = prepare(model), torch.rand(1, 3, 16, 16)
    maps = []
    for each in (model, ready):
        with maps_of(each.net, ["3"], cut=False) as seen:
            each(x)
        maps.append(unshifted(each.net.get_submodule("3"), seen.kept["3"]))
    norm = model.net.get_submodule("4")
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    torch.testing.assert_close(maps[1], maps[0] * scale.view(1, -1, 1, 1), rtol=1e-5, atol=1e-5)
