"""Step rules: small functions of the gradient, chained.

A rule maps (gradient, state, view) to (direction, state); the loop then moves z by −direction.
State is a tree of tensors whose first axis is the row, so that it moves with the rows.
`lbfgs.py` and `spectral.py` hold the two rules that need a file of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from explain_core.descent.projections import per_row, rms
from explain_core.descent.view import View
from explain_core.types import PerRow

State = Any
"""Tensors with one entry per row, in tuples."""


class Rule(Protocol):
    """One ingredient of a step."""

    def start(self, z: Tensor) -> State:
        """The state before the first step."""
        ...

    def __call__(self, gradient: Tensor, state: State, view: View) -> tuple[Tensor, State]: ...


@dataclass(frozen=True)
class Stateless:
    """A rule that remembers nothing."""

    apply: Callable[[Tensor, View], Tensor]

    def start(self, z: Tensor) -> State:
        return ()

    def __call__(self, gradient: Tensor, state: State, view: View) -> tuple[Tensor, State]:
        return self.apply(gradient, view), state


@dataclass(frozen=True)
class Chain:
    """Rules one after the other, each on the direction of the one before."""

    rules: tuple[Rule, ...]

    def start(self, z: Tensor) -> State:
        return tuple(rule.start(z) for rule in self.rules)

    def __call__(self, gradient: Tensor, state: State, view: View) -> tuple[Tensor, State]:
        states = []
        for rule, own in zip(self.rules, state, strict=True):
            gradient, own = rule(gradient, own, view)
            states.append(own)
        return gradient, tuple(states)


def chain(*rules: Rule) -> Rule:
    return Chain(rules)


def unit_rms() -> Rule:
    """Scale each row to RMS 1; divided by its largest entry first, so that nothing underflows.

    A zero gradient stays a zero step.
    """

    def apply(gradient: Tensor, view: View) -> Tensor:
        largest = gradient.flatten(1).abs().amax(1)
        gradient = gradient / per_row(largest.where(largest > 0, 1), gradient)
        size = rms(gradient)
        return gradient / per_row(size.where(size > 0, 1), gradient)

    return Stateless(apply)


def signed() -> Rule:
    """Each element's sign."""
    return Stateless(lambda gradient, _: gradient.sign())


def jump_first(extra: str) -> Rule:
    """The first step is the rows' own, given as an extra; it needs no gradient."""
    return Stateless(lambda gradient, view: -view.rows.extra[extra] if view.step == 0 else gradient)


def scaled(length: Callable[[View], PerRow | float]) -> Rule:
    """Multiply each row by a length that may depend on the step and on the row."""

    def apply(gradient: Tensor, view: View) -> Tensor:
        size = length(view)
        return gradient * (per_row(size, gradient) if isinstance(size, Tensor) else size)

    return Stateless(apply)


def ramp_down(size: Callable[[View], PerRow | float], steps: int) -> Callable[[View], PerRow | float]:
    """Triangular lengths: step n of N has size · 2(N − n) / (N(N + 1)); together they make `size`."""
    return lambda view: size(view) * (2 * (steps - view.step) / (steps * (steps + 1)))


def pull_back_when(goal: Callable[[View], Tensor]) -> Rule:
    """Where the goal holds, walk home: the direction is that of growing ‖δ‖² (AE, Algorithm 1)."""

    def apply(gradient: Tensor, view: View) -> Tensor:
        home = 2 * (view.z - view.rows.x)
        return home.where(per_row(goal(view), gradient), gradient)

    return Stateless(apply)


@dataclass(frozen=True)
class Momentum:
    """v ← μ·v + direction, as in SGD."""

    decay: float

    def start(self, z: Tensor) -> State:
        return torch.zeros_like(z)

    def __call__(self, gradient: Tensor, state: State, view: View) -> tuple[Tensor, State]:
        velocity = self.decay * state + gradient
        return velocity, velocity


def momentum(decay: float) -> Rule:
    return Momentum(decay)


@dataclass(frozen=True)
class Average:
    """v ← μ·v + (1 − μ)·direction: the exponential average of directions, which starts at zero.

    With `whole_first` it starts at the first direction, as torch's SGD does with momentum and dampening μ.
    """

    decay: float
    whole_first: bool = False

    def start(self, z: Tensor) -> State:
        return torch.zeros_like(z)

    def __call__(self, gradient: Tensor, state: State, view: View) -> tuple[Tensor, State]:
        start = self.whole_first and view.step == 0
        mean = gradient if start else torch.lerp(state, gradient, 1 - self.decay)
        return mean, mean


def average(decay: float, *, whole_first: bool = False) -> Rule:
    return Average(decay, whole_first)


@dataclass(frozen=True)
class Adam:
    """Kingma & Ba 2015; elementwise, so rows never mix."""

    rate: float
    decay: float = 0.9
    decay_square: float = 0.999
    epsilon: float = 1e-8

    def start(self, z: Tensor) -> State:
        return torch.zeros_like(z), torch.zeros_like(z)

    def __call__(self, gradient: Tensor, state: State, view: View) -> tuple[Tensor, State]:
        mean, square = state
        mean = torch.lerp(mean, gradient, 1 - self.decay)
        square = torch.lerp(square, gradient * gradient, 1 - self.decay_square)
        n = view.step + 1
        size = self.rate / (1 - self.decay**n)
        root = square.sqrt() / math.sqrt(1 - self.decay_square**n)
        return size * mean / (root + self.epsilon), (mean, square)


def adam(rate: float) -> Rule:
    return Adam(rate)
