"""The values that travel between models, methods and the engine; shapes stand in the types.

Axes: n rows of a batch, c channels (1 or 3), h × w pixels, v classes.
A *row* is one question: one picture, one target class, one ρ.  One picture at eight values of ρ
is a batch of eight rows.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

from jaxtyping import Bool, Float, Int
from torch import Tensor

Images = Float[Tensor, "n c h w"]
Labels = Int[Tensor, "n"]
Logits = Float[Tensor, "n v"]
PerRow = Float[Tensor, "n"]
Flags = Bool[Tensor, "n"]
Saliency = Float[Tensor, "n h w"]
Mask = Bool[Tensor, "n h w"]


@dataclass(frozen=True)
class Question:
    """What is asked of a method, row by row.

    `images` (n, c, h, w) in [0, 1]; `target` (n,) class indices; `rho` (n,) RMS bounds on the
    change in pixel space, or None for a method's own form without a bound; `seed` with `keys`
    (one text per row, the image's hash) seeds whatever a method draws at random; `knobs` (n,) are
    parameters that may differ among rows (`Method.per_row`), which then count instead of the batch's.
    """

    images: Images
    target: Labels
    rho: PerRow | None = None
    seed: int = 0
    keys: tuple[str, ...] = ()
    knobs: Mapping[str, PerRow] = field(default_factory=dict)


@dataclass(frozen=True)
class Passes:
    """Network passes spent on one row."""

    forward: int = 0
    backward: int = 0

    def __add__(self, other: Passes) -> Passes:
        return Passes(self.forward + other.forward, self.backward + other.backward)

    @property
    def units(self) -> float:
        """In units of one forward + backward pass with respect to the input.

        With frozen parameters the two halves cost about the same, so each counts a half.
        """
        return (self.forward + self.backward) / 2


@dataclass(frozen=True)
class Step:
    """A method pauses here: `done` of `of` steps; `rows` are still at work on `images`."""

    done: int
    of: int
    rows: Int[Tensor, "m"] | None = None
    images: Float[Tensor, "m c h w"] | None = None


@dataclass(frozen=True)
class Explanation:
    """What a method found, row by row; tensors are detached and stay on the model's device.

    `saliency` raw and signed; `perturbed` in [0, 1] and, with a ρ, inside the ball; `before` and
    `after` are logits of the original and of the very image returned; `numbers` are a method's
    own figures; `outcomes` say in words what happened, and what to do next; `trace` holds curves
    (steps, n); rows that were dropped on the way hold whatever they had.
    """

    saliency: Saliency
    before: Logits
    outcomes: tuple[str, ...]
    passes: tuple[Passes, ...]
    perturbed: Images | None = None
    after: Logits | None = None
    mask: Mask | None = None
    numbers: Mapping[str, PerRow] = field(default_factory=dict)
    trace: Mapping[str, Float[Tensor, "steps n"]] = field(default_factory=dict)


Drop = frozenset[int]
"""Rows (indices into the question) that nobody waits for any more."""

Working = Generator[Step, Drop | None, Explanation]
"""A method at work: it yields steps, may be sent rows to drop, and returns its explanation."""
