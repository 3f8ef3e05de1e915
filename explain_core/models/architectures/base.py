"""What an architecture is: a row with its knobs and a function that builds the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from torch import Tensor, nn

from explain_core.errors import DataError
from explain_core.models.hhrelu import HHReLU
from explain_core.models.weights import blank
from explain_core.params import Choice, Params

Activation = Callable[[], nn.Module]
ACTIVATIONS: dict[str, Activation] = {"relu": nn.ReLU, "hhrelu": HHReLU}
ActivationName = Annotated[
    str, Choice(tuple(ACTIVATIONS)), "ReLU, or the half-Huber ReLU whose slope is continuous (AE, Eq. 11)."
]


@dataclass(frozen=True)
class Shape:
    """What goes in and comes out: pictures (n, channels, *size), logits (n, classes).

    `classes` counts logits: 1 for the kind `binary`.
    """

    channels: int
    size: tuple[int, int]
    classes: int


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation by channel of pixels in [0, 1]."""

    mean: Sequence[float]
    std: Sequence[float]


@dataclass(frozen=True)
class Architecture:
    """A row of ARCHITECTURES.

    `build` gives a module from normalised pictures (n, c, h, w) to logits (n, v), or to a map of them
    (n, v, h', w'); it draws weights from torch's global random state, which whoever trains seeds.
    `smallest` is the smallest side that the layers allow; a `fixed` network takes the size it was built
    for and no other.  `start` then puts weights in that were trained elsewhere, and `normalisation`
    says how those want their pixels; without them the data's own mean and deviation serve.
    """

    name: str
    title: str
    summary: str
    citation: str
    params: type[Params]
    build: Callable[[Any, Shape], nn.Module] = field(repr=False)
    smallest: int = 1
    fixed: bool = False
    start: Callable[[Any, Shape, nn.Module], None] | None = field(default=None, repr=False)
    normalisation: Callable[[Any], Normalisation] | None = field(default=None, repr=False)

    def make(self, params: Params, shape: Shape) -> nn.Module:
        """The network, ready to be trained, with the weights it starts from; raises DataError."""
        self.check(shape)
        net = self.build(params, shape)
        if self.start:
            self.start(params, shape, net)
        return net

    def outline(self, params: Params, shape: Shape) -> nn.Module:
        """The network whose weights are still to come; draws nothing, reads nothing."""
        self.check(shape)
        return blank(lambda: self.build(params, shape))

    def check(self, shape: Shape) -> None:
        """Raises DataError where pictures of this shape do not suit the layers."""
        height, width = shape.size
        if min(shape.size) < self.smallest:
            raise DataError(
                f"{width} × {height} pixels: {self.name} needs at least {self.smallest} on each side; "
                f"enlarge the pictures, or choose a smaller network such as lenet or mlp."
            )
        if shape.channels not in (1, 3):
            raise DataError(f"{shape.channels} channels: {self.name} takes grey pictures (1) or colour (3).")
        if shape.classes < 1:
            raise DataError(f"{shape.classes} classes: {self.name} needs one logit at least.")


@dataclass(frozen=True)
class ActivationParams(Params):
    """The knob of networks that have no other."""

    activation: ActivationName = "relu"


class PositionMean(nn.Module):
    """A map (n, v, h, w) to its mean over positions (n, v)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


def scaled(widths: Sequence[int], factor: float) -> tuple[int, ...]:
    """Numbers of channels times a factor, at least 1 each."""
    return tuple(max(1, round(width * factor)) for width in widths)
