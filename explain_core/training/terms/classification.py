"""Cross-entropy of the labels: single, several a picture, or balanced over classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from explain_core.errors import DataError
from explain_core.params import Params, Range
from explain_core.training.batch import Seen
from explain_core.training.terms.base import Setting, Term, TermRow


@dataclass(frozen=True)
class CrossEntropyParams(Params):
    balanced: Annotated[bool, "Weigh each class by one over its pictures, so that all count the same."] = False
    smoothing: Annotated[float, Range(0, 0.5, 0.01), "How much of a label is spread evenly over all classes."] = 0.0


class CrossEntropy(Term):
    def __init__(self, params: CrossEntropyParams, setting: Setting) -> None:
        self.smoothing = params.smoothing
        self.weights = balanced(setting.counts) if params.balanced else None

    def loss(self, seen: Seen) -> Tensor:
        labels = seen.batch.labels
        loss = seen.cross_entropy
        if self.smoothing and labels.ndim == 1:
            spread = -seen.logits.log_softmax(1).mean(1)
            loss = (1 - self.smoothing) * loss + self.smoothing * spread
        if self.weights is not None:
            loss = loss * self.weights.to(loss)[labels]
        return loss


def balanced(counts: object) -> Tensor:
    """A weight for each class with pictures, whose mean over the training set is 1; raises DataError."""
    sizes = torch.tensor(counts, dtype=torch.float32)
    if not len(sizes):
        raise DataError("balanced cross-entropy: pictures with several labels cannot be balanced; leave it out.")
    weights = sizes.sum() / (sizes * (sizes > 0).sum())
    return weights.where(sizes > 0, torch.zeros_like(weights))


ROW = TermRow(
    name="cross-entropy",
    title="Cross-entropy",
    summary="The classification loss; every recipe has it.",
    citation="AE §III-B (class-balanced variant: COCO).",
    params=CrossEntropyParams,
    build=CrossEntropy,
)
