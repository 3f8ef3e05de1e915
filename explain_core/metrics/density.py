"""Average density (Schwartz, Alparslan & Kim 2020): the share of activations that are not zero.

Over the outputs of all activation functions of one forward pass, modules or not, each activation
counting once.  Functions that never give zero, such as GELU, count as dense.  The curve has each
activation function's own share, in execution order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from explain_core.hooks import survey
from explain_core.metrics.base import Case, Metric, Reading, Subject
from explain_core.metrics.scoring import as_input
from explain_core.metrics.stability import CITATION
from explain_core.metrics.summing import mean_of
from explain_core.models.classifier import Classifier
from explain_core.params import Params


@dataclass(frozen=True)
class DensityParams(Params):
    """It has no settings."""


def measure(subject: Subject, cases: Sequence[Case], params: DensityParams) -> Iterator[Reading]:
    """The share of each case."""
    for case in cases:
        yield read(subject.model, case)


def read(model: Classifier, case: Case) -> Reading:
    x = as_input(model, case.pixels)[None]
    with torch.no_grad():
        activations, _ = survey(model.net, lambda: model(x))
    counts = [(int(torch.count_nonzero(one)), one.numel()) for one in activations]
    if not counts:
        return Reading(None, note="The network has no activation functions.", units=0.5)
    return Reading(
        value=sum(alive for alive, _ in counts) / sum(of for _, of in counts),
        numbers={"activations": float(sum(of for _, of in counts))},
        curves={
            "activation function": tuple(float(index) for index in range(len(counts))),
            "density": tuple(alive / of for alive, of in counts),
        },
        units=0.5,
    )


METRIC = Metric(
    name="average-density",
    title="Average density",
    summary="The share of activations that are not zero.",
    citation=CITATION,
    of="model",
    better="lower",
    measure=measure,
    summarise=mean_of,
    params=DensityParams,
    cost=lambda _: 0.5,
    chunk=32,
)
