"""Networks whose explanations are known beforehand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from explain_core.engine.lending import lend
from explain_core.methods.base import Method
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.types import Explanation, Question
from tests.descent.walking import walk

SIDE, CHANNELS, CLASSES = 6, 3, 4
MEAN, STD = 0.4, 0.25


def wrapped(net: nn.Module, classes: int = CLASSES) -> Classifier:
    """A network with a normalisation that is not the identity, in float64."""
    names = [str(index) for index in range(classes)]
    spec = InputSpec(CHANNELS, smallest=SIDE)
    return Classifier(net, classes=names, kind="softmax", input=spec, mean=[MEAN], std=[STD]).double().eval()


def linear() -> tuple[Classifier, Tensor]:
    """A linear network, and its weights (classes, c, h, w) with respect to pixels in [0, 1]."""
    torch.manual_seed(3)
    layer = nn.Linear(CHANNELS * SIDE * SIDE, CLASSES)
    return wrapped(nn.Sequential(nn.Flatten(), layer)), layer.weight.detach().view(CLASSES, CHANNELS, SIDE, SIDE) / STD


def pictures(count: int = 3) -> Tensor:
    return torch.rand(count, CHANNELS, SIDE, SIDE, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def asked(method: Method, model: Classifier, x: Tensor, target: Tensor, seed: int = 0, **knobs: Any) -> Explanation:
    keys = tuple(f"picture {row}" for row in range(len(x)))
    with lend(model):
        return walk(method.run(model, Question(x, target, seed=seed, keys=keys), method.params.build(knobs)))[0]
