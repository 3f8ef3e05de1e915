"""Sanity checks (Adebayo et al. 2018): does the map change when the network forgets what it learnt?

`sanity-cascade` draws layers anew one after the other, from the output to the input; `sanity-independent`
each alone.  After each, the map is compared with that of the trained network: Spearman's ρ of the maps
and of their absolute values, and SSIM of the maps scaled to [0, 1].  The value is the mean over layers
of |ρ|: a method that explains the network comes near 0.

A constant map has no order: it counts as ρ = 0, and `constant` is the share of such maps.  The curves'
x is the layer's number from the output; its name stands in `numbers`, with |ρ|.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Annotated

import numpy as np

from explain_core.metrics.base import Case, Metric, Reading, Subject
from explain_core.metrics.scoring import as_input, predicted
from explain_core.metrics.similarity import spearman, ssim
from explain_core.metrics.summing import mean_of
from explain_core.models.classifier import Classifier
from explain_core.models.untrained import layers_of, untrained
from explain_core.params import Params, Range
from explain_core.records import Floats


@dataclass(frozen=True)
class SanityParams(Params):
    stages: Annotated[
        int | None, Range(1, 1000, 1), "Layers drawn anew together make a stage; auto is a stage for each layer."
    ] = None
    follow: Annotated[bool, "Ask about the class that the changed network predicts, not the original one."] = False


@dataclass(frozen=True)
class Likeness:
    """Of one map to the trained network's; `rank` None where it is constant."""

    rank: float | None
    size: float | None
    structure: float

    @classmethod
    def of(cls, saliency: Floats, trained: Floats) -> Likeness:
        sizes = spearman(np.abs(saliency), np.abs(trained))
        return cls(spearman(saliency, trained), sizes, ssim(saliency, trained))


def measure(cumulative: bool, subject: Subject, cases: Sequence[Case], params: SanityParams) -> Iterator[Reading]:
    """How alike each case's maps stay."""
    pixels, targets = [case.pixels for case in cases], [predicted(subject.model, case) for case in cases]
    trained = [answer.saliency for answer in subject.ask(pixels, targets)]
    groups = stages_of(subject.model, cases[0], params.stages)
    found: list[list[Likeness]] = [[] for _ in cases]
    for number, group in enumerate(groups):
        chosen = [name for some in groups[: number + 1] for name in some] if cumulative else group
        model = untrained(subject.model, chosen, subject.seed)
        asked = [predicted(model, case) for case in cases] if params.follow else targets
        answers = subject.ask(pixels, asked, model=model)
        for row, answer in enumerate(answers):
            found[row].append(Likeness.of(answer.saliency, trained[row]))
    units = 0.5 + 0.5 * len(groups) * params.follow
    for likeness, saliency in zip(found, trained, strict=True):
        yield read(groups, likeness, saliency, units)


def stages_of(model: Classifier, case: Case, stages: int | None) -> list[list[str]]:
    """The layers' names, from the output to the input, in so many groups."""
    names = layers_of(model, as_input(model, case.pixels)[None])[::-1]
    bounds = np.linspace(0, len(names), min(stages or len(names), len(names)) + 1).round().astype(int)
    return [names[start:stop] for start, stop in pairwise(bounds)]


def read(groups: Sequence[Sequence[str]], found: Sequence[Likeness], trained: Floats, units: float) -> Reading:
    if np.ptp(trained) == 0:
        return Reading(None, note="The map of the trained network is constant: it has no order.", units=units)
    curves = {
        "layer from the output": tuple(float(number) for number in range(1, len(groups) + 1)),
        "spearman": tuple(one.rank or 0.0 for one in found),
        "spearman of sizes": tuple(one.size or 0.0 for one in found),
        "ssim": tuple(one.structure for one in found),
    }
    ranks = np.abs(curves["spearman"])
    numbers = {name: float(np.mean(curves[name])) for name in ("spearman", "spearman of sizes", "ssim")}
    numbers["constant"] = float(np.mean([one.rank is None for one in found]))
    numbers |= {f"{i + 1} {title(group)}": float(ranks[i]) for i, group in enumerate(groups)}
    return Reading(float(ranks.mean()), numbers, curves, units=units)


def title(group: Sequence[str]) -> str:
    """A stage's name; a parameter of the network itself has none of its own."""
    ends = [name or "network" for name in dict.fromkeys((group[0], group[-1]))]
    return " to ".join(ends)


def _row(cumulative: bool, name: str, title: str, summary: str) -> Metric:
    return Metric(
        name=name,
        title=title,
        summary=summary,
        citation="Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018.",
        of="method",
        better="lower",
        measure=partial(measure, cumulative),
        summarise=mean_of,
        params=SanityParams,
        cost=lambda params: 0.5,
        chunk=16,
    )


CASCADE = _row(
    True, "sanity-cascade", "Sanity: cascade", "How alike the map stays as layers forget, one after the other."
)
INDEPENDENT = _row(
    False, "sanity-independent", "Sanity: each layer", "How alike the map stays when one layer alone forgets."
)
