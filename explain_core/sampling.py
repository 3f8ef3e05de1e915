"""The one stream of masked samples behind RISE, occlusion and LIME.

A sample is the picture with part of it hidden; the network scores it, and the score is booked on the pixels
for which the sample speaks.  Samples are made, scored and forgotten a few at a time, so memory does not grow
with their number, and the map grows before the eyes of whoever watches.  The network never sees two rows in
one pass: in a batch or alone a row's numbers have the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from explain_core.models.classifier import Classifier
from explain_core.params import fingerprint
from explain_core.types import Drop, Images, Labels, Logits, PerRow, Question, Step

MOST = {"cpu": 32, "cuda": 64}
LARGE = {"cpu": 8, "cuda": 32}
"""Samples in one network pass, at most, and those of 224 × 224 pixels, so that a pass stays bounded; of halved ones
twice as many.  On a processor more are no faster, or slower: what one layer puts out then no longer fits the caches."""

AREA = 224 * 224
CHECK_EVERY = 64
"""Samples between two looks at the standard error: a multiple of what goes into a pass."""


class Tally:
    """What one row's samples said so far, in float64: `origin` is the score of the picture itself.

    Maps (h, w) over samples i with score s and weight m: `total` Σ s m, `cover` Σ m, `squares` Σ s² m²,
    `mixed` Σ s m², `spread` Σ m²; the last three, from which errors come, only with `errors`.
    """

    def __init__(self, origin: Tensor, height: int, width: int, *, errors: bool = True) -> None:
        self.origin, self._errors = origin, errors
        self.total, self.cover = origin.new_zeros(2, height, width)
        self.squares, self.mixed, self.spread = origin.new_zeros(3, height, width)
        self._scores: list[Tensor] = []

    @property
    def count(self) -> int:
        return sum(map(len, self._scores))

    @property
    def scores(self) -> Tensor:
        """(count,), in the order of the samples."""
        return torch.cat(self._scores) if self._scores else self.origin.new_zeros(0)

    def add(self, weights: Tensor, scores: Tensor) -> None:
        """Samples with weights (k, h, w) and scores (k,)."""
        flat, one = weights.flatten(1).to(scores.dtype), torch.ones_like(scores)
        self._book((self.total, self.cover), torch.stack([scores, one]) @ flat)
        if self._errors:
            squares = torch.stack([scores.square(), scores, one]) @ flat.square()
            self._book((self.squares, self.mixed, self.spread), squares)
        self._scores.append(scores)

    @staticmethod
    def _book(sums: tuple[Tensor, ...], more: Tensor) -> None:
        for into, row in zip(sums, more, strict=True):
            into += row.view_as(into)

    @property
    def mean(self) -> Tensor:
        """(h, w): Σ s m / N; zero before there is a sample."""
        found: Tensor = self.total / max(1, self.count)
        return found

    @property
    def ratio(self) -> Tensor:
        """(h, w): Σ s m / Σ m, the mean score of the samples that speak for a pixel; zero where none does."""
        found: Tensor = self.total / self.cover.where(self.cover > 0, 1)
        return found

    def mean_error(self) -> Tensor:
        """(h, w): standard error of `mean`, from the samples' scatter; infinite below two samples."""
        return self._error(self.squares - self.count * self.mean.square())

    def ratio_error(self) -> Tensor:
        """(h, w): standard error of `ratio`, to first order; infinite below two samples."""
        scatter = self.squares - 2 * self.ratio * self.mixed + self.ratio.square() * self.spread
        share: Tensor = self.cover / max(1, self.count)
        return self._error(scatter) / share.where(share > 0, 1)

    def _error(self, scatter: Tensor) -> Tensor:
        if not self._errors:
            raise ValueError("this tally was made without errors")
        if self.count < 2:
            return torch.full_like(self.total, torch.inf)
        return (scatter.clamp_min(0) / (self.count * (self.count - 1))).sqrt()


def never(_: int, __: Tally) -> bool:
    return False


@dataclass(frozen=True)
class Stream:
    """Which samples, and what becomes of them.

    `count` samples a row; `masks(row, start, stop)` (k, h, w) gives the share of each pixel that those
    samples keep; `fill` (n, c, h, w) shows where a pixel is hidden; `score` of logits (k, v) and targets (k,);
    `weights` of masks says for which pixels a sample speaks; `estimate` is the map (h, w) of a tally;
    `enough(row, tally)` ends a row early, asked after every CHECK_EVERY samples; `errors` where standard errors
    are asked for; `bfloat16` where samples may be scored with eight bits, on a device that is good at it.
    """

    count: int
    masks: Callable[[int, int, int], Tensor]
    fill: Images
    score: Callable[[Logits, Labels], PerRow]
    weights: Callable[[Tensor], Tensor]
    estimate: Callable[[Tally], Tensor]
    enough: Callable[[int, Tally], bool] = never
    errors: bool = True
    bfloat16: bool = False


def accumulate(
    model: Classifier, question: Question, stream: Stream
) -> Generator[Step, Drop | None, tuple[Logits, list[Tally]]]:
    """Logits of the pictures, and a tally of each row's samples; one forward pass for each.

    Yields a `Step` after every network pass, showing the row's picture lit by its map as it stands.
    """
    x, rows = question.images, len(question.images)
    with torch.no_grad():
        before = model(x)
        with halved(x.device, stream.bfloat16):  # the same rounding as in what it is compared with
            origins = stream.score((model(x) if stream.bfloat16 else before).double(), question.target)
    height, width = x.shape[2:]
    tallies = [Tally(origin, height, width, errors=stream.errors) for origin in origins]
    portion, gone = at_once(height, width, x.device.type, halved=stream.bfloat16), set[int]()
    for start in range(0, stream.count, portion):
        stop = min(start + portion, stream.count)
        for row in range(rows):
            if row in gone:
                continue
            with torch.no_grad():
                tally_samples(model, question, stream, row, tallies[row], (start, stop))
                picture = lit(x[row], stream.estimate(tallies[row]))
            if stop % CHECK_EVERY == 0 and stream.enough(row, tallies[row]):
                gone.add(row)
            number = torch.tensor([row], device=x.device)
            drop = yield Step(start * rows + (stop - start) * (row + 1), stream.count * rows, number, picture[None])
            gone |= drop or frozenset()
    return before, tallies


def tally_samples(
    model: Classifier, question: Question, stream: Stream, row: int, tally: Tally, span: tuple[int, int]
) -> None:
    """Scores samples [start, stop) of a row in one network pass."""
    masks = stream.masks(row, *span)
    fill = stream.fill[row]
    with halved(question.images.device, stream.bfloat16):
        logits = model(torch.addcmul(fill, masks[:, None], question.images[row] - fill))
    target = question.target[row].expand(len(masks))
    tally.add(stream.weights(masks), stream.score(logits.double(), target))


def halved(device: torch.device, wanted: bool) -> AbstractContextManager[Any]:
    """Where networks compute in bfloat16, if that is wanted and the device is good at it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted and has_bfloat16(device))


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16 faster than in float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def at_once(height: int, width: int, device: str, *, halved: bool = False) -> int:
    """How many samples of this size go into one pass: a power of two, so that CHECK_EVERY is met.

    >>> [at_once(side, side, "cpu") for side in (32, 224, 300, 4000)], at_once(224, 224, "cpu", halved=True)
    ([32, 8, 4, 1], 16)
    """
    fit = max(1, (LARGE[device] * AREA << halved) // (height * width))
    return min(CHECK_EVERY, MOST[device] << halved, 1 << (fit.bit_length() - 1))


def lit(picture: Tensor, saliency: Tensor) -> Tensor:
    """A picture (c, h, w), dark where the map is low."""
    low, high = saliency.aminmax()
    light = (saliency - low) / (high - low) if high > low else torch.zeros_like(saliency)
    return picture * light.to(picture)


def generators(question: Question, name: str) -> list[torch.Generator]:
    """A source of random numbers for each row, the same whatever its neighbours are, on the CPU for all devices."""
    keys = question.keys or tuple(map(str, range(len(question.images))))
    seeds = [int(fingerprint(name, question.seed, key)[:15], 16) for key in keys]
    return [torch.Generator().manual_seed(seed) for seed in seeds]
