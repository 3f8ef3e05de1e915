"""Which layers there are, in which order, and how they forget."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from explain_core.models.classifier import Classifier, InputSpec
from explain_core.models.untrained import layers_of, untrained

X = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Backwards(nn.Module):
    """Declares its head first and passes through it last; a scale of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 2)
        self.stem = nn.Conv2d(3, 4, 3)
        self.scale = nn.Parameter(torch.full((4,), 2.0))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.stem(x).mean((2, 3)) * self.scale)
        return found


def test_layers_come_in_the_order_in_which_pictures_pass(tiny_named: Callable[[str], Classifier]) -> None:
    assert layers_of(tiny_named("functional"), X) == ["first", "second", "head"]
    residual = layers_of(tiny_named("residual"), X)
    assert residual == ["stem.0", "stem.1", "branch.0", "branch.1", "head"]
    model = Classifier(Backwards(), classes=("a", "b"), kind="softmax", input=InputSpec(3))
    assert layers_of(model, X) == ["", "stem", "head"]


def test_attention_stays_in_its_place(tiny_named: Callable[[str], Classifier]) -> None:
    """The network's and the encoder's own tokens come first; attention after the norm before it."""
    layers = layers_of(tiny_named("transformer"), X)
    assert layers[:2] == ["", "conv_proj"]
    assert layers[-2:] == ["encoder.ln", "heads.head"]
    block = [name.removeprefix("encoder.layers.encoder_layer_0.") for name in layers if "encoder_layer_0" in name]
    assert block[:3] == ["ln_1", "self_attention", "self_attention.out_proj"]
    assert block[3:] == ["ln_2", "mlp.0", "mlp.3"]
    assert layers.index("encoder") < layers.index("encoder.layers.encoder_layer_0.ln_1")


def changed(model: Classifier, other: Classifier) -> set[str]:
    theirs = other.net.state_dict()
    return {name for name, value in model.net.state_dict().items() if not torch.equal(value, theirs[name])}


def test_only_the_layers_named_forget(tiny_named: Callable[[str], Classifier]) -> None:
    """Batch norm's weights were never trained here, but its statistics were gathered."""
    model = tiny_named("residual")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    other = untrained(model, ["stem.1", "head"], 0)
    assert changed(model, other) == {
        *("head.weight", "head.bias"),
        *("stem.1.running_mean", "stem.1.running_var", "stem.1.num_batches_tracked"),
    }
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_bare_parameters_keep_their_scale(tiny_named: Callable[[str], Classifier]) -> None:
    model = tiny_named("transformer")
    layers = layers_of(model, X)
    other = untrained(model, layers, 0)
    was, found = (m.net.get_parameter("encoder.pos_embedding") for m in (model, other))
    assert not torch.equal(was, found)
    assert 0.5 < (found.std() / was.std()).item() < 2
    attention = "encoder.layers.encoder_layer_0.self_attention.in_proj_weight"
    assert attention in changed(model, other)


def test_what_a_layer_becomes_depends_on_seed_and_name_alone(tiny: Classifier) -> None:
    state = torch.get_rng_state()
    alone, among, later = (
        untrained(tiny, names, s) for names, s in ((["head"], 0), (["first", "head"], 0), (["head"], 1))
    )
    assert torch.equal(torch.get_rng_state(), state)
    weight = alone.net.get_parameter("head.weight")
    assert torch.equal(weight, among.net.get_parameter("head.weight"))
    assert not torch.equal(weight, later.net.get_parameter("head.weight"))
