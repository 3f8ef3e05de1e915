"""The published ResNet-44s of *Adversarial Explanations*, from a file under their own key names."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from explain_core.data.names import CIFAR10, numbered
from explain_core.errors import WeightsError
from explain_core.models.architectures.base import Activation
from explain_core.models.architectures.preact_resnet import POOL, PreActResNet
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.models.hhrelu import HHReLU
from explain_core.models.weights import Tensors, blank, count_classes, fill, read_weights

SIDE = 32


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
