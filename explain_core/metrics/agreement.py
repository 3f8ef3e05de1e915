"""How far two methods agree: the correlation of ranks of their maps, and the overlap of their top pixels.

The value is Spearman's ρ of the raw maps; `top` the intersection over union of the `share` most salient
pixels of each, and `top by chance` what two random maps would reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from explain_core.errors import CannotExplain
from explain_core.methods import METHODS
from explain_core.metrics.base import Case, Metric, Reading, Subject
from explain_core.metrics.scoring import predicted
from explain_core.metrics.similarity import spearman, top_overlap
from explain_core.metrics.summing import mean_of
from explain_core.params import Choice, Params, Range
from explain_core.records import Floats


@dataclass(frozen=True)
class AgreementParams(Params):
    other: Annotated[str, Choice(tuple(METHODS)), "The method that is compared with, at its defaults."] = "gradcam"
    share: Annotated[float, Range(0.001, 1, 0.001, unit="of the pixels"), "How many count as most salient."] = 0.05


def measure(subject: Subject, cases: Sequence[Case], params: AgreementParams) -> Iterator[Reading]:
    """Spearman's ρ of each case."""
    pixels, targets = [case.pixels for case in cases], [predicted(subject.model, case) for case in cases]
    try:
        others = subject.ask(pixels, targets, method=params.other)
    except CannotExplain as error:
        yield from [Reading(None, note=str(error))] * len(cases)
        return
    for own, other in zip(subject.ask(pixels, targets), others, strict=True):
        yield compared(own.saliency, other.saliency, params.share)


def compared(own: Floats, other: Floats, share: float) -> Reading:
    rank = spearman(own, other)
    numbers = {"top": top_overlap(own, other, share), "top by chance": share / (2 - share)}
    return Reading(rank, numbers, note="" if rank is not None else "A map is constant: it has no order.", units=0.5)


METRIC = Metric(
    name="agreement",
    title="Agreement",
    summary="How far two methods order the pixels alike.",
    citation="Spearman 1904; top pixels as in Krishna et al., The disagreement problem, 2022.",
    of="method",
    better="neither",
    measure=measure,
    summarise=mean_of,
    params=AgreementParams,
    cost=lambda params: 0.5,
)
