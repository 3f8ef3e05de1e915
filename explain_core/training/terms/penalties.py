"""Sparse regularisation (Sparse paper): penalties on kernels, and on activations (its Eq. 5).

kernels     l1 · Σ|w| + l2 · Σw²   over the weights of all convolution and dense layers; both: the elastic net
activity    λ · Σ|a|               over all outputs of activations, per picture
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from explain_core.engine.lending import lend
from explain_core.hooks import Watch, survey
from explain_core.models.classifier import Classifier
from explain_core.params import Params, Range
from explain_core.training.batch import Batch, Seen
from explain_core.training.terms.base import Setting, Term, TermRow

LAYERS = (nn.Linear, nn.modules.conv._ConvNd)
WEIGHT = Range(0, 10, log=True)


@dataclass(frozen=True)
class KernelParams(Params):
    l1: Annotated[float, WEIGHT, "Weight of Σ|w|; 0.01 begins at 1,000 × the cross-entropy on a ResNet-50."] = 0.01
    l2: Annotated[float, WEIGHT, "Weight of Σw²."] = 0.01


class Kernels(Term):
    def __init__(self, params: KernelParams, setting: Setting) -> None:
        self.params = params
        self.weights = [module.weight for module in setting.model.modules() if isinstance(module, LAYERS)]

    def loss(self, seen: Seen) -> Tensor:
        flat = torch.cat([weight.flatten() for weight in self.weights])
        loss = flat.new_zeros(())
        if self.params.l1:
            loss = loss + self.params.l1 * flat.abs().sum()
        return loss + self.params.l2 * flat.square().sum() if self.params.l2 else loss


@dataclass(frozen=True)
class ActivityParams(Params):
    weight: Annotated[float, WEIGHT, "λ; the paper has 1e-4 to 1e-7."] = 1e-5


class Activity(Term):
    def __init__(self, params: ActivityParams, setting: Setting) -> None:
        self.weight = params.weight
        self.density = 0.0
        self.watched: Watch | None = None

    def watch(self, batch: Batch, model: Classifier) -> Watch:
        if self.watched is None:
            with lend(model), torch.no_grad():
                outputs, places = survey(model.net, lambda: model(batch.pixels))
            self.watched = Watch(model.net, tuple(range(len(outputs))), places)
        return self.watched

    def loss(self, seen: Seen) -> Tensor:
        outputs = [output.flatten(1) for output in seen.features]
        active = sum(int((output != 0).sum()) for output in outputs)
        self.density = active / sum(output.numel() for output in outputs)
        total: Tensor = torch.stack([output.abs().sum(1) for output in outputs]).sum(0)
        return self.weight * total

    def numbers(self) -> dict[str, float]:
        return {"average density": self.density}


KERNELS = TermRow(
    name="kernels",
    title="L1, L2, elastic net",
    summary="Keeps the weights small, or most of them zero.",
    citation="Sparse paper, §3.",
    params=KernelParams,
    build=Kernels,
)

ACTIVITY = TermRow(
    name="activity",
    title="Activity penalty",
    summary="Keeps most activations at zero.",
    citation="Sparse paper, Eq. 5 and Fig. 1.",
    params=ActivityParams,
    build=Activity,
)
