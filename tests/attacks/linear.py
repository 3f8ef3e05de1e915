"""Linear classifiers of pictures (3, 4, 4), and an attack driven to its end."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from explain_core.attacks import ATTACKS
from explain_core.attacks.base import Attacked
from explain_core.engine.lending import lend
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.types import Question
from tests.descent.walking import walk

SIDE = 4
PIXELS = 3 * SIDE * SIDE


def straight(weight: Tensor, bias: Tensor | None = None) -> Classifier:
    """The softmax classifier with these weights (v, 48)."""
    layer = nn.Linear(weight.shape[1], len(weight))
    layer.weight.data, layer.bias.data = weight, torch.zeros(len(weight)) if bias is None else bias
    names = [f"class {index}" for index in range(len(weight))]
    made = Classifier(nn.Sequential(nn.Flatten(), layer), classes=names, kind="softmax", input=InputSpec(3))
    return made.eval()


def attack(
    name: str,
    model: Classifier,
    x: Tensor,
    target: Tensor,
    rho: list[float] | None = None,
    keys: tuple[str, ...] = (),
    **knobs: Any,
) -> Attacked:
    row, bound = ATTACKS[name], None if rho is None else torch.tensor(rho, dtype=x.dtype)
    with lend(model):
        return walk(row.run(model, Question(x, target, bound, keys=keys), row.params.build(knobs)))[0]
