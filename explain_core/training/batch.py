"""What a training step works on, and where its random numbers come from.

Every draw is keyed by the seed, the epoch, the picture's place in the training set and a purpose, never by
the process or the batch: however the work is cut up or taken up again, a picture meets the same noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from explain_core.models.classifier import Classifier
from explain_core.params import fingerprint
from explain_core.types import Images, Logits, PerRow


def generator(*key: object) -> torch.Generator:
    """Seeded by plain values, the same in every process."""
    return torch.Generator().manual_seed(int(fingerprint(*key)[:15], 16))


@dataclass(frozen=True)
class Batch:
    """Some pictures of one epoch.

    `pixels` (n, c, h, w), in [0, 1] until noise or an attack says otherwise; `labels` (n,) class indices, or
    (n, v) zeros and ones where a picture may have several classes; `index` the pictures' places in the training
    set; `factor` (n, c, h, w) multiplies the *normalised* input (noise modulation); `original` the pixels before
    noise or an attack, None where there was neither.
    """

    pixels: Images
    labels: Tensor
    index: tuple[int, ...]
    epoch: int = 0
    seed: int = 0
    factor: Tensor | None = None
    original: Images | None = None

    def __len__(self) -> int:
        return len(self.index)

    def showing(self, pixels: Images) -> Self:
        """Other pictures in their place, such as parts of them."""
        return replace(self, pixels=pixels)

    def perturbed(self, pixels: Images) -> Self:
        """The same pictures with noise or an attack upon them."""
        return replace(self, pixels=pixels, original=self.unperturbed)

    @property
    def unperturbed(self) -> Images:
        """(n, c, h, w) before noise or an attack; of these a picture's own mean and deviation are."""
        return self.pixels if self.original is None else self.original

    def generators(self, purpose: str) -> list[torch.Generator]:
        """One for each picture."""
        return [generator(self.seed, self.epoch, place, purpose) for place in self.index]

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        """Numbers in [0, 1), (n, *shape), on the batch's device."""
        drawn = [torch.rand(shape, generator=own) for own in self.generators(purpose)]
        return torch.stack(drawn).to(self.pixels.device)


@dataclass(frozen=True)
class Seen:
    """A step after its forward pass, as the losses see it.

    `logits` (n, v) of `batch`, differentiable, and with respect to `batch.pixels` too where a term asked for it;
    `features` are the activations that a term watches.
    """

    batch: Batch
    model: Classifier
    logits: Logits
    features: tuple[Tensor, ...] = ()

    @cached_property
    def cross_entropy(self) -> PerRow:
        """Of each picture; with several labels the mean over classes."""
        return classification(self.model, self.logits, self.batch.labels)


def forward(model: Classifier, batch: Batch) -> Tensor:
    """Logits of a batch, whose factor multiplies what the network gets after its normalisation."""
    shown = model.about(batch.unperturbed)
    normalised = (batch.pixels - shown.mean) / shown.std
    return model.present(model.net(normalised if batch.factor is None else normalised * batch.factor))


def classification(model: Classifier, logits: Logits, labels: Tensor) -> PerRow:
    """Cross-entropy (n,) of labels (n,), or the mean binary cross-entropy over classes of labels (n, v)."""
    if labels.ndim == 1:
        return model.cross_entropy(logits, labels)
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits), reduction="none")
    return losses.mean(1)


def decided(model: Classifier, logits: Logits, labels: Tensor) -> Tensor:
    """The share (n,) of each picture's decisions that are right: its class, or each of its labels."""
    if labels.ndim == 1:
        return (logits.argmax(1) == labels).float()
    return ((logits > 0) == labels.bool()).float().mean(1)


def shuffled(count: int, *key: object) -> Sequence[int]:
    """0 … count − 1 in the order of this key."""
    order: list[int] = torch.randperm(count, generator=generator(*key)).tolist()
    return order
