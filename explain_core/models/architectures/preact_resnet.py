"""The pre-activation ResNet of *Adversarial Explanations* (AE, §III-I), with its published key names.

`pipe` = 3×3 convolution, three groups of seven blocks (16, 32, 64 wide; stride 1, 2, 2), norm,
activation, 8×8 average pool, 1×1 convolution: ResNet-44.  A block is

    p = activation(norm(x)),   out = conv(activation(norm(conv(p)))) + shortcut,

where the shortcut is x itself, or a 3×3 convolution of p where the shape changes.  The last convolution
of every block is zero at the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, cast

from torch import Tensor, nn

from explain_core.models.architectures.base import ACTIVATIONS, Activation, ActivationName, Architecture, Shape, scaled
from explain_core.models.architectures.gate import Gate
from explain_core.params import Params, Range

POOL = 8
AE = "Woods, Chen & Teuscher 2019, Adversarial Explanations"


class Block(nn.Module):
    """With a `gate`, training can drop the branch (stochastic depth)."""

    def __init__(self, narrow: int, wide: int, stride: int, activation: Activation, *, gated: bool = False) -> None:
        super().__init__()
        self.pre = nn.Sequential(nn.BatchNorm2d(narrow), activation())
        self.main = nn.Sequential(_conv(narrow, wide, stride), nn.BatchNorm2d(wide), activation(), _conv(wide, wide))
        self.shortcut = _conv(narrow, wide, stride) if (narrow, stride) != (wide, 1) else None
        self.gate = Gate() if gated else None
        nn.init.zeros_(self.main.get_parameter("3.weight"))

    def forward(self, x: Tensor) -> Tensor:
        p = self.pre(x)
        branch = self.main(p)
        shortcut = x if self.shortcut is None else self.shortcut(p)
        return cast(Tensor, branch + shortcut if self.gate is None else self.gate(shortcut, branch))


class PreActResNet(nn.Module):
    """Normalised (n, channels, h, w) to (n, classes, h/32, w/32), a map of one position at 32 × 32.

    `depth` counts the blocks of a group; `stem` and `pool` stand in for the first convolution and the
    average pool.
    """

    def __init__(
        self,
        classes: int = 10,
        channels: int = 3,
        *,
        widths: Sequence[int] = (16, 32, 64),
        depth: int = 7,
        activation: Activation = nn.ReLU,
        stem: nn.Module | None = None,
        pool: nn.Module | None = None,
        gated: bool = False,
    ) -> None:
        super().__init__()
        groups, narrow = [], widths[0]
        for group, wide in enumerate(widths):
            stride = 2 if group else 1
            blocks = [Block(narrow, wide, stride, activation, gated=gated)]
            blocks += [Block(wide, wide, 1, activation, gated=gated) for _ in range(depth - 1)]
            groups.append(nn.Sequential(*blocks))
            narrow = wide
        self.pipe = nn.Sequential(
            _conv(channels, widths[0]) if stem is None else stem,
            *groups,
            nn.BatchNorm2d(narrow),
            activation(),
            nn.AvgPool2d(POOL) if pool is None else pool,
            nn.Conv2d(narrow, classes, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.pipe(x))


def _conv(narrow: int, wide: int, stride: int = 1) -> nn.Module:
    return nn.Conv2d(narrow, wide, 3, stride, padding=1, bias=False)


@dataclass(frozen=True)
class PreActParams(Params):
    depth: Annotated[int, Range(1, 64), "Blocks in each group: 7 is ResNet-44, 28 is ResNet-170."] = 7
    width: Annotated[float, Range(0.25, 8, 0.25), "Multiplies the published numbers of channels; 2 is double."] = 1.0
    activation: ActivationName = "relu"


@dataclass(frozen=True)
class DoubleParams(PreActParams):
    width: Annotated[float, Range(0.25, 8, 0.25), "Multiplies 16, 32 and 64 channels; published is 2."] = 2.0


@dataclass(frozen=True)
class ImageNetParams(PreActParams):
    depth: Annotated[int, Range(1, 64), "Blocks in each of the four groups: 2 is ResNet-18."] = 2


def _cifar(p: PreActParams, shape: Shape) -> nn.Module:
    return _net(p, shape, (16, 32, 64))


def _coco(p: DoubleParams, shape: Shape) -> nn.Module:
    first = scaled((16,), p.width)[0]
    return _net(p, shape, (16, 32, 64), stem=nn.Conv2d(shape.channels, first, 4, 3, padding=1, bias=False))


def _jsrt(p: PreActParams, shape: Shape) -> nn.Module:
    first = scaled((64,), p.width)[0]
    stem = nn.Sequential(nn.Conv2d(shape.channels, first, 9, padding=4, bias=False), nn.AvgPool2d(8))
    return _net(p, shape, (64, 96, 128), stem=stem)


def _imagenet(p: ImageNetParams, shape: Shape) -> nn.Module:
    first = scaled((64,), p.width)[0]
    # No norm before the pool: the first block brings its own, as after the CIFAR form's first convolution.
    stem = nn.Sequential(nn.Conv2d(shape.channels, first, 7, 2, padding=3, bias=False), nn.AvgPool2d(3, 2, padding=1))
    return _net(p, shape, (64, 128, 256, 512), stem=stem, pool=nn.AdaptiveAvgPool2d(1))


def _net(
    p: PreActParams,
    shape: Shape,
    widths: Sequence[int],
    *,
    stem: nn.Module | None = None,
    pool: nn.Module | None = None,
) -> nn.Module:
    return PreActResNet(
        shape.classes,
        shape.channels,
        widths=scaled(widths, p.width),
        depth=p.depth,
        activation=ACTIVATIONS[p.activation],
        stem=stem,
        pool=pool,
        gated=True,
    )


ROWS = (
    Architecture(
        "preact-resnet",
        "Pre-activation ResNet",
        "The CIFAR-10 network of Adversarial Explanations: ResNet-44, deeper or wider.",
        f"{AE}, §III-I1; He et al. 2016, Identity mappings",
        PreActParams,
        _cifar,
        smallest=29,
    ),
    Architecture(
        "preact-resnet18-imagenet",
        "Pre-activation ResNet-18, ImageNet form",
        "7×7 stem with stride 2 and average pools instead of max-pools, for pictures of 224.",
        f"{AE}, §III-I2",
        ImageNetParams,
        _imagenet,
    ),
    Architecture(
        "preact-resnet-coco",
        "Pre-activation ResNet-44, COCO form",
        "Double width, with a first 4×4 convolution of stride 3: crops of 96 become 32.",
        f"{AE}, §III-I3",
        DoubleParams,
        _coco,
        smallest=86,
    ),
    Architecture(
        "preact-resnet-jsrt",
        "Pre-activation ResNet-44, JSRT form",
        "64, 96 and 128 wide after a 9×9 convolution and an 8×8 average pool, for grey crops of 256.",
        f"{AE}, §III-I4",
        PreActParams,
        _jsrt,
        smallest=232,
    ),
)
