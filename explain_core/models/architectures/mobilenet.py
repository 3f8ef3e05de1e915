"""MobileNet (v1) in its CIFAR form: depthwise 3×3 and pointwise convolutions in turn.

The strides of the first convolution and of the last block but one group stay, except that the stem keeps
the resolution: 32 × 32 pixels end as 2 × 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import nn

from explain_core.models.architectures.base import (
    ACTIVATIONS,
    Activation,
    ActivationName,
    Architecture,
    PositionMean,
    Shape,
    scaled,
)
from explain_core.params import Params, Range

STEM = 32
WIDTHS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)


@dataclass(frozen=True)
class MobileNetParams(Params):
    width: Annotated[float, Range(0.125, 2, 0.125), "The multiplier α of the numbers of channels."] = 1.0
    activation: ActivationName = "relu"


def _mobilenet(p: MobileNetParams, shape: Shape) -> nn.Module:
    activation = ACTIVATIONS[p.activation]
    narrow, *widths = scaled((STEM, *WIDTHS), p.width)
    blocks = [_convolution(shape.channels, narrow, 3, 1, 1, activation)]
    for wide, stride in zip(widths, STRIDES, strict=True):
        depthwise = _convolution(narrow, narrow, 3, stride, narrow, activation)
        blocks.append(nn.Sequential(depthwise, _convolution(narrow, wide, 1, 1, 1, activation)))
        narrow = wide
    return nn.Sequential(*blocks, PositionMean(), nn.Linear(narrow, shape.classes))


def _convolution(
    narrow: int, wide: int, kernel: int, stride: int, groups: int, activation: Activation
) -> nn.Sequential:
    layer = nn.Conv2d(narrow, wide, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(wide), activation())


MOBILENET = Architecture(
    "mobilenet",
    "MobileNet",
    "Depthwise separable convolutions, in the CIFAR form: the stem keeps the resolution.",
    "Howard et al. 2017; Schwartz, Alparslan & Kim 2020, Table 1",
    MobileNetParams,
    _mobilenet,
)
