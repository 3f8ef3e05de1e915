"""The network that ships with Rhoscope for synthetic mammograms, to be trained anew (see `models/demo.py`)."""

from __future__ import annotations

from torch import nn

from explain_core.errors import DataError
from explain_core.models.architectures.base import ACTIVATIONS, ActivationParams, Architecture, Shape
from explain_core.models.demo import CELL, DemoNet


def _phantom_net(p: ActivationParams, shape: Shape) -> nn.Module:
    if (shape.channels, shape.classes) != (1, 1):
        raise DataError(
            f"{shape.channels} channels and {shape.classes} logits: phantom-net takes grey pictures and gives one "
            f"logit (kind binary); choose another architecture, such as preact-resnet."
        )
    return DemoNet(ACTIVATIONS[p.activation])


PHANTOM_NET = Architecture(
    "phantom-net",
    "Phantom network",
    "The small network built in for synthetic mammograms: the smooth maximum of a map of evidence.",
    "Rhoscope's own",
    ActivationParams,
    _phantom_net,
    smallest=CELL,
)
