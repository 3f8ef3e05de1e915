"""Which activations the perceptual ball looks at, and with what weight."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor

from explain_core.errors import ParamError
from explain_core.hooks import Watch, survey
from explain_core.models.classifier import Classifier
from explain_core.params import AUTO
from explain_core.types import Images, PerRow

WEIGHTS = "layer weights"
LARGE = 512 * 512  # pixels of a picture whose activations are not all kept at once
PART = 64  # pixels of a side; with fewer, a model is not tried when it is opened
VGG_WEIGHT, OTHER_WEIGHT = 1e4, 300.0
VGG19_LAYERS, VGG19_COUNT = "4-9", 16  # the paper's choice for unguided maps, from 0, both ends included


@dataclass(frozen=True)
class Layers:
    """Chosen activations: how to watch them, and per row their values φ_l(x) and weights λ'_l."""

    watch: Watch | None
    references: dict[str, Tensor]

    @property
    def names(self) -> list[str]:
        """Names of the values among the references, in the order in which they are watched."""
        return [name for name in self.references if name != WEIGHTS]


def choose_layers(model: Classifier, x: Images, text: str, weight: float | PerRow | None, *, raw: bool) -> Layers:
    """The activations named by `text`, weighted, with their values at x: one forward pass.

    Each layer's term is weight · mean((φ − φ(x))²), divided by mean(φ(x)²) unless `raw` or the
    network is a VGG, on whose scale the paper's weight was chosen.
    """
    part = _part(model, x)
    with torch.no_grad():
        every, places = survey(model.net, lambda: model(part))
    vgg = type(model.net).__name__ == "VGG"
    weight = weight if weight is not None else (VGG_WEIGHT if vgg or raw else OTHER_WEIGHT)
    weights = x.new_zeros(len(x), 1) + torch.as_tensor(weight, dtype=x.dtype, device=x.device).view(-1, 1)
    numbers = tuple(chosen(text, len(places), vgg=vgg)) if bool((weights > 0).any()) else ()
    if not numbers:
        return Layers(None, {})
    watch = Watch(model.net, numbers, tuple(places[number] for number in numbers))
    if part is x:
        outputs = tuple(every[number] for number in numbers)
    else:
        del every
        with torch.no_grad():
            outputs = watch.run(lambda: model(x))[1]
    values = {f"layer {number}": output for number, output in zip(numbers, outputs, strict=True)}
    sizes = torch.stack([value.flatten(1).square().mean(1) for value in values.values()], dim=1)
    scales = torch.ones_like(sizes) if raw or vgg else sizes.where(sizes > 0, 1)
    return Layers(watch, {**values, WEIGHTS: weights / scales})


def _part(model: Classifier, x: Images) -> Images:
    """What the activations are counted on: the pictures, or, where all of them at once would take too much room, one
    picture, and of a network for any size a corner of it, which costs next to nothing."""
    if x[0, 0].numel() <= LARGE:
        return x
    side = max(PART, model.input.smallest) if model.input.size is None else max(x.shape)
    return x[:1, :, :side, :side]


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
