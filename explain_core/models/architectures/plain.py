"""Small networks without batch norm: MLP, FCNN and LeNet (NM, §3.2), and Sparse's one layer (Fig. 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import nn

from explain_core.models.architectures.base import (
    ACTIVATIONS,
    ActivationName,
    ActivationParams,
    Architecture,
    PositionMean,
    Shape,
)
from explain_core.params import Params, Range

NM = "Li & Wang, Noise Modulation: Let Your Model Interpret Itself, §3.2"


@dataclass(frozen=True)
class MlpParams(Params):
    hidden: Annotated[int, Range(1, 4096), "Units in each of the two hidden layers."] = 512
    activation: ActivationName = "relu"


@dataclass(frozen=True)
class FcnnParams(Params):
    width: Annotated[int, Range(1, 512), "Filters of the first layer; later ones have up to four times as many."] = 32
    activation: ActivationName = "relu"


@dataclass(frozen=True)
class OneLayerParams(Params):
    filters: Annotated[int, Range(1, 1000), "Filters of the convolution; 50 are 39,200 units at 32 × 32."] = 50
    activation: ActivationName = "relu"


def _mlp(p: MlpParams, shape: Shape) -> nn.Module:
    height, width = shape.size
    activation = ACTIVATIONS[p.activation]
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(shape.channels * height * width, p.hidden),
        activation(),
        nn.Linear(p.hidden, p.hidden),
        activation(),
        nn.Linear(p.hidden, shape.classes),
    )


def _fcnn(p: FcnnParams, shape: Shape) -> nn.Module:
    layers: list[nn.Module] = []
    narrow = shape.channels
    for wide, stride in ((p.width, 1), (p.width, 1), (2 * p.width, 2), (2 * p.width, 1), (4 * p.width, 2)):
        layers += [nn.Conv2d(narrow, wide, 3, stride, padding=1), ACTIVATIONS[p.activation]()]
        narrow = wide
    return nn.Sequential(*layers, nn.Conv2d(narrow, shape.classes, 3, padding=1), PositionMean())


def _lenet(p: ActivationParams, shape: Shape) -> nn.Module:
    activation = ACTIVATIONS[p.activation]
    height, width = ((side // 2 - 4) // 2 for side in shape.size)
    return nn.Sequential(
        nn.Conv2d(shape.channels, 6, 5, padding=2),
        activation(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        activation(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * height * width, 120),
        activation(),
        nn.Linear(120, 84),
        activation(),
        nn.Linear(84, shape.classes),
    )


def _one_layer(p: OneLayerParams, shape: Shape) -> nn.Module:
    height, width = shape.size
    return nn.Sequential(
        nn.Conv2d(shape.channels, p.filters, 5),
        ACTIVATIONS[p.activation](),
        nn.Flatten(),
        nn.Linear(p.filters * (height - 4) * (width - 4), shape.classes),
    )


MLP = Architecture("mlp", "Multi-layer perceptron", "Three dense layers.", NM, MlpParams, _mlp, fixed=True)
FCNN = Architecture(
    "fcnn",
    "Fully convolutional network",
    "Six convolutions, the last of which gives a map of every class, averaged over its positions.",
    NM,
    FcnnParams,
    _fcnn,
)
LENET = Architecture(
    "lenet",
    "LeNet-5",
    "Two convolutions and three dense layers, for MNIST.",
    f"LeCun et al. 1998; {NM}",
    ActivationParams,
    _lenet,
    smallest=12,
    fixed=True,
)
ONE_LAYER = Architecture(
    "one-layer",
    "One convolution",
    "A 5×5 convolution without a border and a dense layer, whose density is easily counted.",
    "Schwartz, Alparslan & Kim 2020, Regularization and Sparsity, Fig. 1",
    OneLayerParams,
    _one_layer,
    smallest=5,
    fixed=True,
)
