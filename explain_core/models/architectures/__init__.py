"""The table of architectures: networks that can be trained here.  To add one: write its file, add its row."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from torch import nn

from explain_core.errors import ParamError, suggest
from explain_core.models.architectures import preact_resnet
from explain_core.models.architectures.base import Architecture, Shape
from explain_core.models.architectures.finetune import FINETUNE
from explain_core.models.architectures.inception_resnet import INCEPTION_RESNET
from explain_core.models.architectures.mobilenet import MOBILENET
from explain_core.models.architectures.phantom_net import PHANTOM_NET
from explain_core.models.architectures.plain import FCNN, LENET, MLP, ONE_LAYER
from explain_core.models.architectures.resnet import RESNET18, RESNET50
from explain_core.models.architectures.vgg import VGG

ROWS: tuple[Architecture, ...] = (
    *preact_resnet.ROWS,
    MLP,
    FCNN,
    LENET,
    VGG,
    MOBILENET,
    RESNET18,
    RESNET50,
    ONE_LAYER,
    INCEPTION_RESNET,
    PHANTOM_NET,
    FINETUNE,
)

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType({row.name: row for row in ROWS})


def get_architecture(name: str) -> Architecture:
    """The row of that name; raises ParamError."""
    if name not in ARCHITECTURES:
        raise ParamError(f"No architecture {name!r}: {suggest(name, ARCHITECTURES)}")
    return ARCHITECTURES[name]


def build(name: str, knobs: Mapping[str, Any], shape: Shape) -> nn.Module:
    """A network ready to be trained, its weights drawn from torch's global random state.

    Raises ParamError for an unknown name or knob, DataError where the shape does not suit the layers.
    """
    row = get_architecture(name)
    return row.make(row.params.build(knobs), shape)
