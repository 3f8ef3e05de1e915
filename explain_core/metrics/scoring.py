"""What a model says of pictures: the class that a metric asks about, and streams of scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor

from explain_core.metrics.base import Case
from explain_core.models.classifier import Classifier, pick
from explain_core.records import Floats
from explain_core.types import Logits

VALUES = 5 << 20
"""Pixel values in one forward pass of a stream: 34 colour pictures of 224 × 224."""


def as_input(model: Classifier, pixels: Floats) -> Tensor:
    """(c, h, w), where the model is and of its number type."""
    weight = next(model.parameters(), model.mean)
    return torch.tensor(pixels, device=weight.device, dtype=weight.dtype)


def logits_of(model: Classifier, pixels: Floats) -> Logits:
    """(1, v) of one picture."""
    with torch.no_grad():
        return model(as_input(model, pixels)[None])  # type: ignore[no-any-return]


def predicted(model: Classifier, case: Case) -> int:
    """The most probable class of the case's picture."""
    return int(logits_of(model, case.pixels)[0].argmax())


def class_of(model: Classifier, case: Case) -> int:
    """The case's class, or the predicted one where it has none."""
    return predicted(model, case) if case.label is None else case.label


def probabilities_along(model: Classifier, pictures: Iterable[Tensor], target: int) -> list[float]:
    """The target's probability of each picture (c, h, w) of a stream, in batches of bounded size."""
    found: list[float] = []
    with torch.no_grad():
        for batch in _batches(iter(pictures)):
            logits = model(torch.stack(batch))
            targets = torch.full((len(batch),), target, device=logits.device)
            found += pick(model.probabilities(logits), targets).tolist()
    return found


def _batches(pictures: Iterator[Tensor]) -> Iterator[list[Tensor]]:
    first = next(pictures, None)
    while first is not None:
        yield [first, *islice(pictures, max(0, VALUES // first.numel() - 1))]
        first = next(pictures, None)
