"""What a method is: a generator of steps, and a row of the table `METHODS`.

A method leaves the model as it found it.  It is given a lent model (eval mode, parameters frozen)
and a question, pauses at every step, and returns an `Explanation`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from explain_core.models.classifier import Classifier
from explain_core.params import Params
from explain_core.types import Question, Working

RhoUse = Literal["none", "optional", "always"]
"""`none`: no change is made, ρ is meaningless. `optional`: without ρ, the paper's own form.
`always`: without ρ, the method's default ρ is used."""


class Run(Protocol):
    """A method's function."""

    def __call__(self, model: Classifier, question: Question, params: Any) -> Working: ...


FEW_PICTURES = 16.0


def applies_to_all(_: Classifier) -> str | None:
    return None


@dataclass(frozen=True)
class Method:
    """A row of METHODS: everything that the page, the command line and the docs need to know.

    `cost` estimates the passes of one row, in units of one forward + backward; `cannot` says why
    the method does not apply to a model (None: it does); `version` rises whenever its numbers
    change, so that cached and recorded results are never mixed.

    Memory of one row, in pictures: `memory` of a step besides what the network keeps for its way back; `least`
    where that is put aside and samples go one by one, None: the same; `features` is the share of what the
    network keeps that the method holds on to itself, `together` how many pictures of a size (h, w) it makes of a row
    for one pass.

    `prepared` where it may be given a prepared network (models/prepared.py): it asks for logits, gradients in the
    picture and activations, and does not read or change the layers themselves.

    `per_row` names parameters that rows of one batch may differ in: numbers, taken from `Question.knobs`.
    """

    name: str
    title: str
    summary: str
    citation: str
    run: Run
    params: type[Params]
    rho: RhoUse
    cost: Callable[[Any], float]
    version: int = 1
    default_rho: float | None = None
    cannot: Callable[[Classifier], str | None] = applies_to_all
    limits: str = ""
    memory: Callable[[Any], float] = lambda _: FEW_PICTURES
    least: Callable[[Any], float] | None = None
    features: Callable[[Any], float] = lambda _: 0.0
    sensitive: bool = False
    prepared: bool = False
    per_row: tuple[str, ...] = ()
    together: Callable[[int, int], int] = lambda *_: 1
