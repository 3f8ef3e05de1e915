"""The embedded default: a small fully convolutional network for synthetic mammograms.

A map of evidence m at an eighth of the picture's resolution, pooled by its smooth maximum

    z = ln( mean_x exp(r·m(x)) ) / r,

one logit for `lesion`, so that a small lesion counts as much as a large one and the evidence stays
where the lesion is.  Strided convolutions have even kernels, which keeps each cell of the map centred
over its 8 × 8 pixels; the head is linear in the last convolution's output, so that Grad-CAM on that
layer is the evidence itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from math import log
from pathlib import Path

from torch import Tensor, nn

from explain_core.models.classifier import Classifier, InputSpec
from explain_core.models.weights import fill, read_weights, undrawn

CLASSES = ("normal", "lesion")
WIDTHS = (1, 16, 24, 32)
IN_PLACE = partial(nn.ReLU, inplace=True)
SHARPNESS = 4.0
CELL = 8
MEAN, STD = 0.3, 0.25
SHIPPED = Path(__file__).parent.parent / "weights"


class DemoNet(nn.Module):
    """(n, 1, h, w) of any size from 32 to one logit (n, 1); `body` ends in the last convolution."""

    def __init__(self, activation: Callable[[], nn.Module] = IN_PLACE) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(WIDTHS):
            layers += [*_convolution(narrow, wide, kernel=4, stride=2), activation()]
        for narrow in (WIDTHS[-1], 32):
            layers += [*_convolution(narrow, 32, kernel=3, stride=1), activation()]
        self.body = nn.Sequential(*layers, nn.Conv2d(32, 24, 3, padding=1))
        self.head = nn.Linear(24, 1)

    def evidence(self, x: Tensor) -> Tensor:
        """The map m (n, h // 8, w // 8)."""
        return self.evidence_of(self.body(x))

    def evidence_of(self, features: Tensor) -> Tensor:
        """The map of the last convolution's output (n, 24, h', w')."""
        cells: Tensor = self.head(features.permute(0, 2, 3, 1))
        return cells[..., 0]

    def forward(self, x: Tensor) -> Tensor:
        return pool(self.evidence(x))


def pool(evidence: Tensor) -> Tensor:
    """The smooth maximum of a map, (n, h, w) to (n, 1)."""
    cells = evidence.flatten(1)
    return ((cells * SHARPNESS).logsumexp(dim=1, keepdim=True) - log(cells.shape[1])) / SHARPNESS


def _convolution(narrow: int, wide: int, kernel: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(narrow, wide, kernel, stride, padding=1, bias=False), nn.BatchNorm2d(wide)]


def demo_classifier(shortcut: bool = False, weights: Path | None = None) -> Classifier:
    """The network with the shipped weights, or with those of a safetensors file.

    Raises WeightsError where a file is missing, damaged or of another network.
    """
    name = "demo-shortcut" if shortcut else "demo"
    net = undrawn(DemoNet)
    path = weights or SHIPPED / f"{name}.safetensors"
    fill(net, read_weights(path), path.name, name)
    spec = name if weights is None else f"{name}@{weights}"
    size = InputSpec(channels=1, smallest=32)
    model = Classifier(net, classes=CLASSES, kind="binary", input=size, mean=(MEAN,), std=(STD,), spec=spec)
    return model.eval()
