"""Stochastic depth (Huang et al. 2016; AE's ablations): whole residual branches are left out, picture by picture.

The branch of block l of L stays with probability 1 − (l / L)(1 − p_L).  Which ones stay is keyed by picture and
epoch, so this term, not the network, draws them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from explain_core.errors import ParamError
from explain_core.models.architectures.gate import Gate
from explain_core.models.classifier import Classifier
from explain_core.params import Params, Range
from explain_core.training.batch import Batch
from explain_core.training.terms.base import Setting, Term, TermRow

NAME = "stochastic-depth"


@dataclass(frozen=True)
class DepthParams(Params):
    survival: Annotated[float, Range(0.05, 1, 0.05), "p_L: how often the last block's branch stays."] = 0.8


class StochasticDepth(Term):
    def __init__(self, params: DepthParams, setting: Setting) -> None:
        self.gates = gates_of(setting.model, NAME)
        self.stays = survivals(len(self.gates), params.survival)

    def prepare(self, batch: Batch, model: Classifier) -> Batch:
        stays = self.stays.to(batch.pixels)
        kept = (batch.uniform(NAME, len(self.gates)) < stays).to(stays) / stays
        for gate, mask in zip(self.gates, kept.unbind(1), strict=True):
            gate.mask = mask
        return batch

    def release(self) -> None:
        for gate in self.gates:
            gate.mask = None


def gates_of(model: Classifier, term: str) -> list[Gate]:
    """Of every residual branch, in order; raises ParamError where there is none."""
    gates = [module for module in model.modules() if isinstance(module, Gate)]
    if not gates:
        raise ParamError(f"{term}: this network has no residual branches to leave out; remove the term.")
    return gates


def survivals(count: int, last: float) -> Tensor:
    """(count,) how often each branch stays: p_l = 1 − (l / L)(1 − p_L)."""
    return torch.tensor([1 - (block + 1) / count * (1 - last) for block in range(count)])


ROW = TermRow(
    name=NAME,
    title="Stochastic depth",
    summary="Leaves residual branches out at random, more of them the deeper they lie.",
    citation="Huang et al., ECCV 2016; AE §IV (ablations: p_L 0.8, 0.5).",
    params=DepthParams,
    build=StochasticDepth,
)
