"""Fine-tuning: a torchvision network with its trained weights and a fresh head for the data's classes.

The head is what depends on the number of classes; it starts as torchvision draws it.  Pixels are
normalised as the trained weights want them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from torch import nn

from explain_core.errors import DataError
from explain_core.models.architectures.base import Architecture, Normalisation, Shape
from explain_core.models.torchvision_nets import FIXED, network, pretrained, smallest_side, weights_named
from explain_core.models.weights import class_axes, fill
from explain_core.params import Params, Pattern


@dataclass(frozen=True)
class FinetuneParams(Params):
    network: Annotated[
        str,
        Pattern(r"\w+(@.+)?", "NAME or NAME@FILE.safetensors"),
        "A torchvision classifier, with its default weights (downloaded on first use) or those of a file.",
    ] = "resnet18"

    @property
    def name(self) -> str:
        return self.network.partition("@")[0]

    @property
    def file(self) -> Path | None:
        path = self.network.partition("@")[2]
        return Path(path).expanduser() if path else None


def _side(p: FinetuneParams) -> int:
    """Of the pictures that the weights were trained on."""
    side: int = weights_named(p.name, first=p.file is not None).transforms().crop_size[0]
    return side


def _finetune(p: FinetuneParams, shape: Shape) -> nn.Module:
    side = _side(p)
    height, width = shape.size
    if shape.channels != 3:
        raise DataError(f"{shape.channels} channel: torchvision/{p.name} takes 3; repeat the grey channel.")
    if p.name.startswith(FIXED) and shape.size != (side, side):
        raise DataError(f"{width} × {height} pixels: torchvision/{p.name} takes {side} × {side} only; resize to that.")
    smallest = smallest_side(p.name, side)
    if min(shape.size) < smallest:
        raise DataError(f"{width} × {height} pixels: torchvision/{p.name} needs at least {smallest} on each side.")
    return network(p.name, side, shape.classes)


def _pretrained(p: FinetuneParams, _shape: Shape, net: nn.Module) -> None:
    """Everything but the head; raises SpecError, DownloadError or WeightsError."""
    drawn = net.state_dict()
    head = {key: drawn[key] for key in class_axes(partial(network, p.name, _side(p)))}
    source = str(p.file) if p.file else f"torchvision/{p.name}"
    fill(net, {**pretrained(p.name, p.file), **head}, source, f"torchvision/{p.name}")


def _normalisation(p: FinetuneParams) -> Normalisation:
    transform = weights_named(p.name, first=p.file is not None).transforms()
    return Normalisation(tuple(transform.mean), tuple(transform.std))


FINETUNE = Architecture(
    "finetune",
    "Fine-tuned torchvision network",
    "Weights trained on ImageNet, or a file of them, with a fresh head for your classes.",
    "torchvision",
    FinetuneParams,
    _finetune,
    smallest=32,
    start=_pretrained,
    normalisation=_normalisation,
)
