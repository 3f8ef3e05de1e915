"""What a term is: an ingredient of a training step that the loop knows by its place alone.

A term may change the batch before the forward pass (`prepare`) and add to the loss after it (`loss`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from explain_core.hooks import Watch
from explain_core.models.classifier import Classifier
from explain_core.params import Params
from explain_core.training.batch import Batch, Seen


def as_they_are(_params: Any) -> None:
    """Pictures of the network's own size."""


def alone(values: Tensor) -> Tensor:
    """The average over processes where there is one."""
    return values


@dataclass(frozen=True)
class Setting:
    """What a term may know of the training it belongs to.

    `counts` are the pictures of each class in the training set; `average` takes a number of this process's
    batch to its mean over all processes.
    """

    model: Classifier
    counts: Sequence[int] = ()
    average: Callable[[Tensor], Tensor] = field(default=alone)

    @property
    def classes(self) -> int:
        return len(self.model.classes)


class Term:
    """An ingredient; subclasses override what they need.

    `differentiates`: the loss needs gradients with respect to the pixels, through which it is differentiated again.
    """

    differentiates: ClassVar[bool] = False

    def prepare(self, batch: Batch, model: Classifier) -> Batch:
        """The batch as later terms, and the network, see it."""
        return batch

    def watch(self, batch: Batch, model: Classifier) -> Watch | None:
        """The activations whose outputs the loss wants in `Seen.features`; one term of a recipe may have some."""
        return None

    def loss(self, seen: Seen) -> Tensor | None:
        """(n,) one number a picture, or () one for the whole network; None: nothing to add."""
        return None

    def release(self) -> None:
        """Takes away, after the step, what `prepare` put into the network."""

    def numbers(self) -> Mapping[str, float]:
        """What is worth a curve beside the loss."""
        return {}

    def state(self) -> dict[str, float]:
        """What a checkpoint must keep."""
        return {}

    def restore(self, state: Mapping[str, float]) -> None:
        """Takes up what `state` gave."""


def no_passes(_params: Any) -> float:
    """Of a term that costs next to nothing."""
    return 0.0


@dataclass(frozen=True)
class TermRow:
    """A row of TERMS.

    `mixed` tells whether the term may run in bfloat16, which was measured, not assumed; `reads` gives the sides of
    the larger pictures that the term wants, which it brings down to the network's size itself; `passes` how many,
    forward and backward, it adds to each picture's one in a step; `excludes` names terms that it
    cannot stand beside.
    """

    name: str
    title: str
    summary: str
    citation: str
    params: type[Params]
    build: Callable[[Any, Setting], Term]
    mixed: bool = True
    passes: Callable[[Any], float] = no_passes
    reads: Callable[[Any], int | None] = as_they_are
    excludes: tuple[str, ...] = ()
