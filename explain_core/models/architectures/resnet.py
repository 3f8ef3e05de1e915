"""ResNet-18 and ResNet-50 in their CIFAR forms: a 3×3 stem, no max-pool, stages with strides 1, 2, 2, 2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, cast

from torch import Tensor, nn

from explain_core.models.architectures.base import (
    ACTIVATIONS,
    Activation,
    ActivationName,
    Architecture,
    PositionMean,
    Shape,
    scaled,
)
from explain_core.models.architectures.gate import Gate
from explain_core.params import Params, Range

WIDTHS = (64, 128, 256, 512)
Branch = Callable[[int, int, int, Activation], nn.Sequential]


@dataclass(frozen=True)
class ResNetParams(Params):
    width: Annotated[float, Range(0.125, 4, 0.125), "Multiplies the published numbers of channels."] = 1.0
    activation: ActivationName = "relu"


class Residual(nn.Module):
    """activation(shortcut(x) + branch(x)); the shortcut is x, or a 1×1 convolution where the shape changes."""

    def __init__(self, branch: nn.Sequential, shortcut: nn.Module | None, activation: Activation) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.gate = Gate()
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        branch = self.branch(x)
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return cast(Tensor, self.activation(self.gate(shortcut, branch)))


def basic(narrow: int, wide: int, stride: int, activation: Activation) -> nn.Sequential:
    """Two 3×3 convolutions; as wide as the stage."""
    return nn.Sequential(*_norm(narrow, wide, 3, stride), activation(), *_norm(wide, wide, 3))


def bottleneck(narrow: int, wide: int, stride: int, activation: Activation) -> nn.Sequential:
    """1×1, 3×3 and 1×1 convolutions; four times as wide as the stage."""
    first = (*_norm(narrow, wide, 1), activation(), *_norm(wide, wide, 3, stride), activation())
    return nn.Sequential(*first, *_norm(wide, 4 * wide, 1))


def _norm(narrow: int, wide: int, kernel: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(narrow, wide, kernel, stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(wide)


def _resnet(p: ResNetParams, shape: Shape, branch: Branch, counts: Sequence[int], growth: int) -> nn.Module:
    activation = ACTIVATIONS[p.activation]
    widths = scaled(WIDTHS, p.width)
    narrow = widths[0]
    stages = []
    for stage, (wide, count) in enumerate(zip(widths, counts, strict=True)):
        blocks = []
        for block in range(count):
            stride = 2 if stage and not block else 1
            same = (narrow, stride) == (growth * wide, 1)
            shortcut = None if same else nn.Sequential(*_norm(narrow, growth * wide, 1, stride))
            blocks.append(Residual(branch(narrow, wide, stride, activation), shortcut, activation))
            narrow = growth * wide
        stages.append(nn.Sequential(*blocks))
    stem = nn.Sequential(*_norm(shape.channels, widths[0], 3), activation())
    return nn.Sequential(stem, *stages, PositionMean(), nn.Linear(narrow, shape.classes))


def _resnet18(p: ResNetParams, shape: Shape) -> nn.Module:
    return _resnet(p, shape, basic, (2, 2, 2, 2), growth=1)


def _resnet50(p: ResNetParams, shape: Shape) -> nn.Module:
    return _resnet(p, shape, bottleneck, (3, 4, 6, 3), growth=4)


RESNET18 = Architecture(
    "resnet18",
    "ResNet-18",
    "Basic residual blocks, in the CIFAR form: 3×3 stem, no max-pool.",
    "He et al. 2016, Deep residual learning; Li & Wang, Noise Modulation, §3.2",
    ResNetParams,
    _resnet18,
)
RESNET50 = Architecture(
    "resnet50",
    "ResNet-50",
    "Bottleneck residual blocks, in the CIFAR form: 3×3 stem, no max-pool.",
    "He et al. 2016, Deep residual learning; Schwartz, Alparslan & Kim 2020, Table 1",
    ResNetParams,
    _resnet50,
)
