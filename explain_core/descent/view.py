"""What the loop shows to losses, rules and stops: the rows at work, as they stand at one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from explain_core.types import Images, Labels, Logits, PerRow


@dataclass(frozen=True)
class Rows:
    """What belongs to each row and never changes: the original, its target, its ρ, and extras."""

    x: Images
    target: Labels
    rho: PerRow | None = None
    extra: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    def take(self, index: Tensor) -> Rows:
        """These rows only."""
        return Rows(
            self.x[index],
            self.target[index],
            None if self.rho is None else self.rho[index],
            {name: values[index] for name, values in self.extra.items()},
        )

    def adding(self, **extra: Tensor) -> Rows:
        """The same rows with more extras."""
        return replace(self, extra={**self.extra, **extra})


@dataclass(frozen=True)
class View:
    """One step as a loss or a rule sees it; everything has one entry per row still at work.

    `z` is the variable; `image` the picture made from it, on which `logits` and `features`
    (the watched activations) were computed; `loss`, one a row or several (n, k), is empty until it was
    computed.
    """

    step: int
    z: Tensor
    image: Images
    logits: Logits
    rows: Rows
    features: tuple[Tensor, ...] = ()
    loss: Tensor = field(default_factory=lambda: torch.zeros(0))

    @property
    def least(self) -> PerRow:
        """The loss, or the smallest of several."""
        return self.loss if self.loss.ndim == 1 else self.loss.amin(1)


def take(tree: Any, index: Tensor) -> Any:
    """Rows `index` of every tensor in nested tuples."""
    if isinstance(tree, Tensor):
        return tree[index]
    return tuple(take(branch, index) for branch in tree)


def put(tree: Any, index: Tensor, values: Any) -> Any:
    """The tree with rows `index` of every tensor from `values`, a tree of the same form."""
    if isinstance(tree, Tensor):
        return tree.index_copy(0, index, values)
    return tuple(put(branch, index, value) for branch, value in zip(tree, values, strict=True))


def joined(trees: Sequence[Any]) -> Any:
    """The rows of several trees of one form, end to end."""
    if isinstance(trees[0], Tensor):
        return torch.cat(list(trees))
    return tuple(joined(branches) for branches in zip(*trees, strict=True))
