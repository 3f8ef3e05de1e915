"""The truncated Inception-ResNet of APE (§5.1): layers up to a few after `mixed_6a`, FC 256, FC v.

Inception-ResNet v2 (Szegedy et al. 2017) with its names: a stem, `mixed_5b`, ten `block35`, `mixed_6a` and
some `block17`.  The paper keeps "2 layers after mixed_6a" and counts about 8 M weights: two block17 make
6.9 M, three 8.0 M.  It does not say how a map becomes a vector for the dense layer: here, the mean over
positions, so that films of any size pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, cast

import torch
from torch import Tensor, nn

from explain_core.models.architectures.base import (
    ACTIVATIONS,
    Activation,
    ActivationName,
    Architecture,
    PositionMean,
    Shape,
)
from explain_core.params import Params, Range

BLOCK35, SCALE35 = 10, 0.17
SCALE17 = 0.10
FEATURES, DENSE = 1088, 256


@dataclass(frozen=True)
class InceptionResNetParams(Params):
    block17: Annotated[int, Range(1, 20), "Residual blocks after mixed_6a: two are 6.9 M weights, three 8.0 M."] = 3
    activation: ActivationName = "relu"


class Mixed(nn.Module):
    """Branches side by side, their channels joined."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class ResidualMixed(nn.Module):
    """activation(x + scale · projection(mixed(x)))."""

    def __init__(self, mixed: Mixed, joined: int, wide: int, scale: float, activation: Activation) -> None:
        super().__init__()
        self.mixed = mixed
        self.projection = nn.Conv2d(joined, wide, 1)
        self.scale = scale
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.activation(x + self.scale * self.projection(self.mixed(x))))


@dataclass(frozen=True)
class Layers:
    """Convolutions with batch norm and one kind of activation."""

    activation: Activation

    def conv(
        self, narrow: int, wide: int, kernel: int | tuple[int, int], stride: int = 1, *, valid: bool = False
    ) -> nn.Sequential:
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (0, 0) if valid else (height // 2, width // 2)
        layer = nn.Conv2d(narrow, wide, (height, width), stride, padding, bias=False)
        return nn.Sequential(layer, nn.BatchNorm2d(wide, eps=1e-3), self.activation())

    def chain(self, narrow: int, steps: Sequence[tuple[int, int | tuple[int, int]]]) -> nn.Sequential:
        """Convolutions one after the other, each given by its width and kernel."""
        widths = [narrow, *(wide for wide, _ in steps)]
        return nn.Sequential(*(self.conv(widths[i], wide, kernel) for i, (wide, kernel) in enumerate(steps)))

    def stem(self, channels: int) -> nn.Sequential:
        return nn.Sequential(
            self.conv(channels, 32, 3, 2, valid=True),
            self.conv(32, 32, 3, valid=True),
            self.conv(32, 64, 3),
            nn.MaxPool2d(3, 2),
            self.conv(64, 80, 1),
            self.conv(80, 192, 3, valid=True),
            nn.MaxPool2d(3, 2),
        )

    def mixed_5b(self) -> Mixed:
        pooled = nn.Sequential(nn.AvgPool2d(3, 1, padding=1, count_include_pad=False), self.conv(192, 64, 1))
        return Mixed(
            self.conv(192, 96, 1),
            self.chain(192, [(48, 1), (64, 5)]),
            self.chain(192, [(64, 1), (96, 3), (96, 3)]),
            pooled,
        )

    def block35(self) -> ResidualMixed:
        mixed = Mixed(
            self.conv(320, 32, 1),
            self.chain(320, [(32, 1), (32, 3)]),
            self.chain(320, [(32, 1), (48, 3), (64, 3)]),
        )
        return ResidualMixed(mixed, 128, 320, SCALE35, self.activation)

    def mixed_6a(self) -> Mixed:
        long = nn.Sequential(self.chain(320, [(256, 1), (256, 3)]), self.conv(256, 384, 3, 2, valid=True))
        return Mixed(self.conv(320, 384, 3, 2, valid=True), long, nn.MaxPool2d(3, 2))

    def block17(self) -> ResidualMixed:
        mixed = Mixed(self.conv(FEATURES, 192, 1), self.chain(FEATURES, [(128, 1), (160, (1, 7)), (192, (7, 1))]))
        return ResidualMixed(mixed, 384, FEATURES, SCALE17, self.activation)


def _inception_resnet(p: InceptionResNetParams, shape: Shape) -> nn.Module:
    layers = Layers(ACTIVATIONS[p.activation])
    features = nn.Sequential(
        layers.stem(shape.channels),
        layers.mixed_5b(),
        *(layers.block35() for _ in range(BLOCK35)),
        layers.mixed_6a(),
        *(layers.block17() for _ in range(p.block17)),
    )
    head = nn.Sequential(
        PositionMean(), nn.Linear(FEATURES, DENSE), layers.activation(), nn.Linear(DENSE, shape.classes)
    )
    return nn.Sequential(features, head)


INCEPTION_RESNET = Architecture(
    "inception-resnet",
    "Inception-ResNet, truncated",
    "APE's classifier of mammograms: the first half of Inception-ResNet v2, for grey pictures.",
    "Shoshan & Ratner 2019, Regularized adversarial examples, §5.1; Szegedy et al. 2017",
    InceptionResNetParams,
    _inception_resnet,
    smallest=43,
)
