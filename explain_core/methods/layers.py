"""Which activations the perceptual ball looks at, and with what weight."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from explain_core.errors import ParamError
from explain_core.models.classifier import Classifier
from explain_core.params import AUTO

VGG_WEIGHT, OTHER_WEIGHT = 1e4, 300.0
VGG19_LAYERS, VGG19_COUNT = "4-9", 16  # the paper's choice for unguided maps, from 0, both ends included


@dataclass(frozen=True)
class Layers:
    """Chosen activations: their numbers, and per row their values φ_l(x) and weights λ'_l."""

    numbers: tuple[int, ...]
    references: dict[str, Tensor]

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """(value, weight) names of the references, layer by layer."""
        return tuple((f"layer {number}", f"weight {number}") for number in self.numbers)


def choose_layers(
    model: Classifier, outputs: Sequence[Tensor], text: str, weight: float | None, *, raw: bool
) -> Layers:
    """The activations named by `text`, weighted.

    Each layer's term is weight · mean((φ − φ(x))²), divided by mean(φ(x)²) unless `raw` or the
    network is a VGG, on whose scale the paper's weight was chosen.
    """
    vgg = type(model.net).__name__ == "VGG"
    weight = weight if weight is not None else (VGG_WEIGHT if vgg or raw else OTHER_WEIGHT)
    numbers = tuple(chosen(text, len(outputs), vgg=vgg)) if weight > 0 else ()
    references: dict[str, Tensor] = {}
    for number in numbers:
        value = outputs[number].detach()
        size = value.flatten(1).square().mean(1)
        scale = torch.ones_like(size) if raw or vgg else size.where(size > 0, 1)
        references |= {f"layer {number}": value, f"weight {number}": weight / scale}
    return Layers(numbers, references)


def chosen(text: str, count: int, *, vgg: bool = False) -> range:
    """Numbers from a text: 'none', 'a-b', 'a%-b%' of depth, or auto (the middle half)."""
    if text == "none" or count == 0:
        return range(0)
    if text == AUTO:
        text = VGG19_LAYERS if vgg and count >= VGG19_COUNT else "25%-75%"
    first, last = (int(number) for number in re.findall(r"\d+", text))
    if "%" in text:
        if not first < last <= 100:
            raise ParamError(f"layers = {text!r}: give two depths with 0 ≤ first < last ≤ 100.")
        return range(min(first * count // 100, count - 1), max(math.ceil(last * count / 100), 1))
    if not first <= last < count:
        raise ParamError(f"layers = {text!r}: this network has activations 0 to {count - 1}.")
    return range(first, last + 1)
