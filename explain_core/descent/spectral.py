"""Spectral projected gradient, per row (Birgin, Martínez & Raydan 2000, Algorithm 2.2).

From an accepted point the direction is d = P(z − a·g) − z with the Barzilai–Borwein length
a = s·s / s·y; a trial is accepted when its loss lies below the largest of the last ten by
1e-4·t·g·d, otherwise t shrinks.  A trial costs one pass whether it is accepted or not, so rows
that search and rows that walk share one batch.  P must be the nearest point (`nearest`): with box,
then ball, the walk ends beside the minimum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from explain_core.descent.projections import per_row, rms
from explain_core.descent.rules import State
from explain_core.descent.view import Rows, View

MEMORY, DECREASE, SMALLEST, LARGEST = 10, 1e-4, 1e-12, 1e12


class Search(NamedTuple):
    """Per row: the accepted point, its gradient, the direction, the step along it, recent losses."""

    z: Tensor
    gradient: Tensor
    direction: Tensor
    step: Tensor
    losses: Tensor
    started: Tensor


@dataclass(frozen=True)
class Spectral:
    """The rule; `first` gives the RMS of the first trial's move, per row."""

    project: Callable[[Tensor, Rows], Tensor]
    first: Callable[[View], Tensor]

    def start(self, z: Tensor) -> State:
        rows = len(z)
        return Search(
            z.clone(),
            torch.zeros_like(z),
            torch.zeros_like(z),
            z.new_ones(rows),
            z.new_full((rows, MEMORY), -torch.inf),
            torch.zeros(rows, dtype=torch.bool, device=z.device),
        )

    def __call__(self, gradient: Tensor, state: State, view: View) -> tuple[Tensor, State]:
        old = Search(*state)
        slope = _dot(old.gradient, old.direction)
        fits = view.loss <= old.losses.amax(1) + DECREASE * old.step * slope
        accepted = fits | ~old.started
        walked = self.walk(old, gradient, view)
        searched = old._replace(step=self.shorter(old, slope, view.loss))
        new = Search(
            *(a.where(accepted.view(-1, *[1] * (a.ndim - 1)), b) for a, b in zip(walked, searched, strict=True))
        )
        trial = new.z + per_row(new.step, new.z) * new.direction
        return view.z - trial, new

    def walk(self, old: Search, gradient: Tensor, view: View) -> Search:
        """Accept the trial, and choose the next direction from it."""
        s, y = view.z - old.z, gradient - old.gradient
        curvature = _dot(s, y)
        spectral = _dot(s, s) / curvature.where(curvature > 0, 1)
        length = spectral.where(curvature > 0, LARGEST).clamp(SMALLEST, LARGEST)
        length = length.where(old.started, self.first(view) / rms(gradient).clamp_min(1e-30))
        direction = self.project(view.z - per_row(length, gradient) * gradient, view.rows) - view.z
        losses = torch.cat([old.losses[:, 1:], view.loss[:, None]], dim=1)
        return Search(view.z, gradient, direction, torch.ones_like(old.step), losses, torch.ones_like(old.started))

    @staticmethod
    def shorter(old: Search, slope: Tensor, loss: Tensor) -> Tensor:
        """The minimum of the parabola through what is known, between a tenth and a half of the step."""
        rise = loss - old.losses[:, -1] - old.step * slope
        guess = -0.5 * old.step.square() * slope / rise.where(rise > 0, 1)
        guess = guess.where((rise > 0) & guess.isfinite(), old.step / 2)
        return torch.minimum(torch.maximum(guess, 0.1 * old.step), 0.5 * old.step)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(1)
