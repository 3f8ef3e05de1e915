"""VGG with batch norm in its CIFAR form: five stages of 3×3 convolutions, each ended by a max-pool.

The three dense layers of the ImageNet form become one, after the mean over positions (one position at
32 × 32).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import nn

from explain_core.models.architectures.base import (
    ACTIVATIONS,
    ActivationName,
    Architecture,
    PositionMean,
    Shape,
    scaled,
)
from explain_core.params import Choice, Params, Range

WIDTHS = (64, 128, 256, 512, 512)
CONVOLUTIONS = {"vgg11": (1, 1, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3)}


@dataclass(frozen=True)
class VggParams(Params):
    form: Annotated[str, Choice(tuple(CONVOLUTIONS)), "8 or 13 convolutions."] = "vgg16"
    width: Annotated[float, Range(0.125, 2, 0.125), "Multiplies the published numbers of channels."] = 1.0
    activation: ActivationName = "relu"


def _vgg(p: VggParams, shape: Shape) -> nn.Module:
    layers: list[nn.Module] = []
    narrow = shape.channels
    for wide, count in zip(scaled(WIDTHS, p.width), CONVOLUTIONS[p.form], strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(narrow, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide)]
            layers.append(ACTIVATIONS[p.activation]())
            narrow = wide
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, PositionMean(), nn.Linear(narrow, shape.classes))


VGG = Architecture(
    "vgg",
    "VGG",
    "3×3 convolutions with batch norm between max-pools; the CIFAR form of VGG-16 or VGG-11.",
    "Simonyan & Zisserman 2015; Schwartz, Alparslan & Kim 2020, Table 1",
    VggParams,
    _vgg,
    smallest=32,
)
