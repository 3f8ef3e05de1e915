"""The pre-activation ResNet-44 of *Adversarial Explanations* (AE, §IV), with its published key names.

`pipe` = 3×3 convolution, three groups of seven blocks (16, 32, 64 wide; stride 1, 2, 2), norm,
activation, 8×8 average pool, 1×1 convolution.  A block is

    p = activation(norm(x)),   out = conv(activation(norm(conv(p)))) + shortcut,

where the shortcut is x itself, or a 3×3 convolution of p where the shape changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from explain_core.data.names import CIFAR10, numbered
from explain_core.errors import WeightsError
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.models.hhrelu import HHReLU
from explain_core.models.weights import Tensors, blank, count_classes, fill, read_weights

Activation = Callable[[], nn.Module]
SIDE = 32
POOL = 8


class Block(nn.Module):
    def __init__(self, narrow: int, wide: int, stride: int, activation: Activation) -> None:
        super().__init__()
        self.pre = nn.Sequential(nn.BatchNorm2d(narrow), activation())
        self.main = nn.Sequential(_conv(narrow, wide, stride), nn.BatchNorm2d(wide), activation(), _conv(wide, wide))
        self.shortcut = _conv(narrow, wide, stride) if (narrow, stride) != (wide, 1) else None

    def forward(self, x: Tensor) -> Tensor:
        p = self.pre(x)
        return cast(Tensor, self.main(p) + (x if self.shortcut is None else self.shortcut(p)))


class PreActResNet(nn.Module):
    """Normalised (n, channels, h, w) to (n, classes, h/32, w/32), a map of one position at 32 × 32."""

    def __init__(
        self,
        classes: int = 10,
        channels: int = 3,
        *,
        widths: Sequence[int] = (16, 32, 64),
        depth: int = 7,
        activation: Activation = nn.ReLU,
    ) -> None:
        super().__init__()
        groups, narrow = [], widths[0]
        for wide in widths:
            stride = 1 if wide == widths[0] else 2
            blocks = [Block(narrow, wide, stride, activation)]
            blocks += [Block(wide, wide, 1, activation) for _ in range(depth - 1)]
            groups.append(nn.Sequential(*blocks))
            narrow = wide
        self.pipe = nn.Sequential(
            _conv(channels, widths[0]),
            *groups,
            nn.BatchNorm2d(narrow),
            activation(),
            nn.AvgPool2d(POOL),
            nn.Conv2d(narrow, classes, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.pipe(x))


def _conv(narrow: int, wide: int, stride: int = 1) -> nn.Module:
    return nn.Conv2d(narrow, wide, 3, stride, padding=1, bias=False)


def preact_classifier(spec: str, file: Path, activation: Activation) -> Classifier:
    """ResNet-44 from a file; its `input_offset` (2, c) holds mean and standard deviation of pixels."""
    tensors = read_weights(file)
    _check_activation(tensors, activation, file)
    offset = tensors.pop("input_offset", None)
    if offset is None or offset.ndim != 2 or len(offset) != 2 or offset.shape[1] not in (1, 3):
        found = "is missing" if offset is None else f"has shape {tuple(offset.shape)}"
        raise WeightsError(f"{file}: 'input_offset' {found}, expected (2, 3): mean and std by channel; add it.")
    channels = offset.shape[1]

    def build(classes: int) -> nn.Module:
        return PreActResNet(classes, channels, activation=activation)

    count = count_classes(build, tensors, default=len(CIFAR10))
    net = fill(blank(lambda: build(count)), tensors, str(file), spec.partition("@")[0])
    mean, std = offset.tolist()
    return Classifier(
        net,
        classes=CIFAR10 if count == len(CIFAR10) else numbered(count),
        kind="softmax",
        input=InputSpec(channels, size=(SIDE, SIDE), smallest=4 * POOL),
        mean=mean,
        std=std,
        spec=spec,
    )


def _check_activation(tensors: Tensors, activation: Activation, file: Path) -> None:
    """The half-Huber ReLU alone leaves a trace in the weights: its knees."""
    knee = next((key for key in tensors if key.endswith(".d")), None)
    if knee and activation is not HHReLU:
        raise WeightsError(f"{file}: '{knee}' is the knee of a half-Huber ReLU; ask for preact-resnet44-hhrelu@{file}.")
    if not knee and activation is HHReLU:
        raise WeightsError(f"{file}: no key 'pipe.5.d', shape (): these are ReLUs; ask for preact-resnet44@{file}.")
