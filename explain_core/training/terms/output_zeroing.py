"""Output zeroing (AE, Eqs. 12 and 14): logits are kept near zero, k_out · Σ_i y_i².

With the automatic weight a logit that gives its class the probability s = 0.8, the others at zero, is where
cross-entropy and penalty balance: y = ln(s(V − 1)/(1 − s)), k_out = (1 − s)/(2y(1 + (V − 1)(1 − s))).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from explain_core.params import Params, Range
from explain_core.training.batch import Seen
from explain_core.training.terms.base import Setting, Term, TermRow

CONFIDENT = 0.8


@dataclass(frozen=True)
class OutputZeroingParams(Params):
    weight: Annotated[float | None, Range(0, 10), "k_out; auto is Eq. 14's: 0.01 for 10 classes, 6e-5 for 1,000."] = (
        None
    )


class OutputZeroing(Term):
    def __init__(self, params: OutputZeroingParams, setting: Setting) -> None:
        self.weight = balance(setting.classes) if params.weight is None else params.weight

    def loss(self, seen: Seen) -> Tensor:
        return self.weight * seen.logits.square().sum(1)


def balance(classes: int, s: float = CONFIDENT) -> float:
    """k_out of Eq. 14."""
    y = math.log(s * (classes - 1) / (1 - s))
    return (1 - s) / (2 * y * (1 + (classes - 1) * (1 - s)))


ROW = TermRow(
    name="output-zeroing",
    title="Output zeroing",
    summary="Keeps the logits near zero.",
    citation="AE §III-B, Eqs. 12 and 14.",
    params=OutputZeroingParams,
    build=OutputZeroing,
)
