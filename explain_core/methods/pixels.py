"""What the methods share that look at the gradient of a class with respect to the pixels.

The gradient is that of the class logit, as all of these methods are published, or of the log-odds where the
knob `objective` says so; it is taken in pixel space, pixels in [0, 1], with the normalisation inside.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from explain_core.methods.smoothing import gaussian
from explain_core.models.classifier import Classifier, pick
from explain_core.params import Choice, Params, Range
from explain_core.types import Drop, Images, Labels, Logits, PerRow, Saliency, Step

Score = Callable[[Logits, Labels], PerRow]
Forward = Callable[[Images], Logits]

BASELINES = Choice(("black", "mean", "blur", "white"))
BLUR = 1 / 20  # σ of the blurred baseline, of the longer side


@dataclass(frozen=True)
class ObjectiveParams(Params):
    objective: Annotated[
        str, Choice(("logit", "log-odds")), "What is differentiated: the class logit, or its log-odds."
    ] = "logit"


@dataclass(frozen=True)
class PixelParams(ObjectiveParams):
    channels: Annotated[
        str,
        Choice(("largest", "mean", "sum")),
        "How a pixel's channels become one value: largest or mean magnitude, or the signed sum.",
    ] = "largest"
    smooth: Annotated[
        float, Range(0, 0.1, 0.005, unit="of the longer side"), "σ of the map's Gaussian blur; 0.02 in pointing games."
    ] = 0.0


CHANNELS: dict[str, Callable[[Tensor], Tensor]] = {
    "largest": lambda values: values.abs().amax(1),
    "mean": lambda values: values.abs().mean(1),
    "sum": lambda values: values.sum(1),
}


def score_of(model: Classifier, params: ObjectiveParams) -> Score:
    """What is differentiated."""
    return pick if params.objective == "logit" else model.log_odds


def class_gradient(forward: Forward, x: Images, target: Labels, score: Score) -> tuple[Logits, Images]:
    """Logits, and the gradient of each row's score (n, c, h, w): one forward and one backward pass."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        logits = forward(x)
        (gradient,) = torch.autograd.grad(score(logits, target).sum(), x)
    return logits.detach(), gradient


def flatten_channels(values: Images, params: PixelParams) -> Saliency:
    """One value a pixel, and the blur."""
    return gaussian(CHANNELS[params.channels](values), params.smooth * max(values.shape[2:]))


def baseline_of(model: Classifier, x: Images, name: str) -> Images:
    """The picture without content: one colour, or blurred beyond recognition; `mean` is the network's own zero."""
    if name == "blur":
        sigma = BLUR * max(x.shape[2:])
        return gaussian(x.flatten(0, 1), sigma).view_as(x)
    if name == "mean":
        return model.mean.to(x).expand_as(x)
    return torch.full_like(x, float(name == "white"))


def told(saliency: Saliency, text: str) -> tuple[str, ...]:
    """The text for each row, or that there is nothing to see."""
    return tuple(
        text if anything else "Empty: the class does not react to any pixel here. Try another class."
        for anything in saliency.flatten(1).any(1).tolist()
    )


Terms = Callable[[range, Tensor], Tensor]
"""What one pass adds for rows (m,) of the question: (numbers of terms, rows) → their sum (m, c, h, w)."""

AREA, MOST = 8 * 224 * 224, 32
"""Pixels, and pictures, that terms of one picture put into a pass: small pictures need company, large ones do not."""


def together(height: int, width: int) -> int:
    """How many terms of one picture of this size share a pass.

    >>> [together(side, side) for side in (32, 112, 224, 500)]
    [32, 32, 8, 1]
    """
    return max(1, min(MOST, AREA // (height * width)))


def repeated(rows: Tensor, numbers: range) -> Tensor:
    """The rows (m,) of a pass, once for each term: (k·m,), in the order of the terms."""
    return rows.repeat(len(numbers))


def summed(images: Images, count: int, terms: Terms) -> Generator[Step, Drop | None, tuple[Tensor, list[int]]]:
    """The sum of `count` terms, and how many each row got; dropped rows leave between passes.

    Terms of small pictures share passes; memory does not grow with `count`.
    """
    total, spent = torch.zeros_like(images), [0] * len(images)
    rows = torch.arange(len(images), device=images.device)
    at_once = max(1, together(*images.shape[2:]) // len(images))
    for start in range(0, count, at_once):
        numbers = range(start, min(start + at_once, count))
        total[rows] += terms(numbers, rows)
        for row in rows.tolist():
            spent[row] += len(numbers)
        drop = yield Step(numbers.stop, count, rows)
        if drop:
            rows = rows[~torch.isin(rows, torch.tensor(sorted(drop), device=rows.device))]
        if not len(rows):
            break
    return total, spent
