"""What an attack is: a search for a small change after which a goal holds, and a row of ATTACKS.

An attack is a generator over the one optimisation loop: it yields steps, may be sent rows to drop,
and returns what it found, scored again on the very picture that is returned.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from explain_core.models.classifier import Classifier
from explain_core.params import Params
from explain_core.types import Drop, Flags, Images, Logits, Passes, PerRow, Question, Step


@dataclass(frozen=True)
class Attacked:
    """What was found, row by row; tensors are detached and on the model's device.

    `images` in [0, 1] (unless the attack was asked to leave the box), the smallest change that met
    the goal, or the last one tried where none did; `success` whether the goal holds on that very
    picture; `first` and `after` logits of the original and of the picture; `visited` the largest
    RMSE that was tried, the bound from below where nothing was found.
    """

    images: Images
    success: Flags
    first: Logits
    after: Logits
    visited: PerRow
    passes: tuple[Passes, ...]


Attacking = Generator[Step, Drop | None, Attacked]


class RunAttack(Protocol):
    """An attack's function; the question's `target` is the class that is to be lost, usually the true one."""

    def __call__(self, model: Classifier, question: Question, params: Any) -> Attacking: ...


def applies_to_all(_: Classifier) -> str | None:
    return None


@dataclass(frozen=True)
class Attack:
    """A row of ATTACKS.  `norm` is what the attack bounds or minimises; `cost` passes of one row, in units.

    `bounded` where a question's ρ is the bound that it stays inside, else it looks for the smallest change;
    `sensitive` where float32 rounding decides which way a row walks, `cannot` as for a method.
    """

    name: str
    title: str
    summary: str
    citation: str
    run: RunAttack
    params: type[Params]
    norm: Literal["l2", "linf"]
    cost: Callable[[Any], float]
    version: int = 1
    bounded: bool = False
    cannot: Callable[[Classifier], str | None] = applies_to_all
    sensitive: bool = False
