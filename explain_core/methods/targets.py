"""Several targets of one picture share its forward pass.

Rows of a batch that show the same picture, by their keys, go through the network once; each has a backward pass of
its own.  Small pictures gain nothing: a larger batch costs them next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from explain_core.methods.pixels import Score
from explain_core.models.classifier import Classifier
from explain_core.types import Images, Logits, Passes, PerRow, Question

SMALL = 64 * 64
"""Pixels up to which every row goes through the network by itself."""


@dataclass(frozen=True)
class Pictures:
    """The different pictures of a question: the row that shows each `first` (u,), which one each row shows, `of` (n,),
    and how many rows before it show the same, `turn` (n,)."""

    first: Tensor
    of: Tensor
    turn: Tensor

    @property
    def all_different(self) -> bool:
        return len(self.first) == len(self.of)

    def spread(self, values: Tensor) -> Tensor:
        """(u, …) as (n, …): each row's picture's."""
        return values if self.all_different else values[self.of]

    def passes(self, backward: int) -> tuple[Passes, ...]:
        """A forward pass for the first row that shows a picture, and backward passes for each."""
        return tuple(Passes(int(turn == 0), backward) for turn in self.turn.tolist())


def pictures_of(question: Question) -> Pictures:
    """By the question's keys; rows without keys, and small ones, count as different."""
    rows, device = len(question.images), question.images.device
    keys = question.keys if question.images[0, 0].numel() > SMALL else ()
    names = keys or tuple(map(str, range(rows)))
    places: dict[str, int] = {}
    of = [places.setdefault(name, len(places)) for name in names]
    turn = [of[:row].count(place) for row, place in enumerate(of)]
    first = [row for row, before in enumerate(turn) if before == 0]
    return Pictures(*(torch.tensor(values, device=device) for values in (first, of, turn)))


def gradients(scores: PerRow, at: Tensor, pictures: Pictures) -> Tensor:
    """(n, …): of each row's score at its picture's part of `at` (u, …); the graph is kept until the last."""
    turns = int(pictures.turn.max()) + 1
    found: Tensor | None = None
    for turn in range(turns):
        rows = (pictures.turn == turn).nonzero()[:, 0]
        (slope,) = torch.autograd.grad(scores[rows].sum(), at, retain_graph=turn + 1 < turns)
        if turns == 1:
            return slope
        found = slope.new_zeros(len(scores), *slope.shape[1:]) if found is None else found
        found[rows] = slope[pictures.of[rows]]
    if found is None:
        raise ValueError("a question has at least one row")
    return found


def shared_gradient(model: Classifier, question: Question, score: Score) -> tuple[Logits, Images, tuple[Passes, ...]]:
    """Logits, the gradient of each row's score (n, c, h, w), and the passes that they took."""
    pictures = pictures_of(question)
    x = question.images[pictures.first].detach().requires_grad_()
    with torch.enable_grad():
        logits = pictures.spread(model(x))
        slope = gradients(score(logits, question.target), x, pictures)
    return logits.detach(), slope, pictures.passes(backward=1)
