"""ShakeDrop (Yamada et al. 2018; AE's ablations): a branch is weakened rather than left out, forward and back apart.

With b_l drawn as in stochastic depth, and α, β evenly from their ranges, one each for a picture and block,

    forward   shortcut + (b + α − bα)·branch
    back      the branch's gradient by (b + β − bβ)

so α = β = 1 is standard training and α = β = 0 stochastic depth.  Both factors are divided by the forward one's mean,
p + (1 − p)·E[α], for the reason that stochastic depth's is (`Gate`).

The shaken gradient is what every pass backward gives.  The Lipschitz term therefore sees input gradients that went
through a branch by b + β − bβ, and its own gradient goes back by the same factors.  Attacks see the plain network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from explain_core.errors import ParamError
from explain_core.models.classifier import Classifier
from explain_core.params import Params, Range
from explain_core.training.batch import Batch
from explain_core.training.terms import depth
from explain_core.training.terms.base import Setting, Term, TermRow

NAME = "shakedrop"
FACTOR = Range(-1, 1, 0.1)
LEAST = 0.05
"""Of a branch's mean factor, by which it is divided."""


@dataclass(frozen=True)
class ShakeDropParams(Params):
    survival: Annotated[float, Range(0.05, 1, 0.05), "p_L: how often the last block's branch is left as it is."] = 0.8
    alpha_low: Annotated[float, FACTOR, "α, where it is not, lies above this; Yamada et al. also have -1."] = 0.0
    alpha_high: Annotated[float, FACTOR, "α lies below this; both 0 as in AE. Yamada et al. also have 1."] = 0.0
    beta_low: Annotated[float, FACTOR, "β, of the gradient, lies above this."] = 0.0
    beta_high: Annotated[float, FACTOR, "β lies below this; 0 to 1 is Yamada et al.'s."] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, low, high in (("alpha", self.alpha_low, self.alpha_high), ("beta", self.beta_low, self.beta_high)):
            if low > high:
                raise ParamError(f"{name}_low = {low:g}: it is above {name}_high = {high:g}; exchange them.")
        mean = self.survival + (1 - self.survival) * self.alpha
        if mean < LEAST:
            raise ParamError(
                f"survival = {self.survival:g}: with this α a branch counts {mean:.3g} on average; raise it."
            )

    @property
    def alpha(self) -> float:
        """E[α]."""
        return (self.alpha_low + self.alpha_high) / 2


class ShakeDrop(Term):
    def __init__(self, params: ShakeDropParams, setting: Setting) -> None:
        self.params = params
        self.gates = depth.gates_of(setting.model, NAME)
        self.stays = depth.survivals(len(self.gates), params.survival)

    def prepare(self, batch: Batch, model: Classifier) -> Batch:
        forward, back = self.factors(batch)
        for gate, mask, shaken in zip(self.gates, forward.unbind(1), back.unbind(1), strict=True):
            gate.mask, gate.back = mask, shaken
        return batch

    def factors(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of each picture's branches forward and back, both (n, L)."""
        params, stays = self.params, self.stays.to(batch.pixels)
        coin, alpha, beta = batch.uniform(NAME, 3, len(self.gates)).to(stays).unbind(1)
        alpha = params.alpha_low + (params.alpha_high - params.alpha_low) * alpha
        beta = params.beta_low + (params.beta_high - params.beta_low) * beta
        kept, mean = coin < stays, stays + (1 - stays) * params.alpha
        return alpha.masked_fill(kept, 1) / mean, beta.masked_fill(kept, 1) / mean

    def release(self) -> None:
        for gate in self.gates:
            gate.mask = gate.back = None


ROW = TermRow(
    name=NAME,
    title="ShakeDrop",
    summary="Weakens residual branches at random, and their gradients by a factor of their own.",
    citation="Yamada et al., IEEE Access 2019; AE §IV-B (ablations: α 0, p_L 0.8).",
    params=ShakeDropParams,
    build=ShakeDrop,
    excludes=(depth.NAME,),
)
