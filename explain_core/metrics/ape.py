"""APE's measures of a perturbation (Shoshan & Ratner 2018, Eqs. 5, 9 and 10), of the picture that was returned.

With I the picture, Î the changed one, B = 1 where any channel of a pixel differs, N pixels, TV
anisotropic over 4 neighbours and s the probability of the class:

    APE_D = α_sp·L0(I − Î)/N + α_sm·TV(B)/N + α_cl·s(Î)
    APE_S = α_sp·L0(1 − B)/N + α_sm·TV(1 − B)/N + α_cl·|s(Î) − s(I)|

APE_D is low where few compact pixels take the class away, APE_S where few compact pixels are left as
they were and the class stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
import torch

from explain_core.descent.losses import total_variation
from explain_core.metrics.base import Case, Metric, Reading, Subject
from explain_core.metrics.needs import NO_PICTURE
from explain_core.metrics.scoring import class_of
from explain_core.metrics.summing import mean_of
from explain_core.params import Params, Range
from explain_core.records import Answer

CITATION = "Shoshan & Ratner, Regularized adversarial examples for model interpretability, 2018."


@dataclass(frozen=True)
class ApeWeights(Params):
    sparsity: Annotated[float, Range(0, 100), "α_sp: weight of the area."] = 1.0
    smoothness: Annotated[float, Range(0, 100), "α_sm: weight of the outline."] = 1.0
    class_weight: Annotated[float, Range(0, 100), "α_cl: weight of the class's probability, or of its change."] = 1.0


Terms = tuple[float, float, float]
"""Area, outline and class, each in [0, 1] but for the outline, below 2."""


def terms_d(answer: Answer) -> Terms:
    area, outline = area_and_outline(answer)
    return area, outline, answer.p_after or 0.0


def terms_s(answer: Answer) -> Terms:
    area, outline = area_and_outline(answer)
    return 1 - area, outline, abs((answer.p_after or 0.0) - answer.p_before)


def area_and_outline(answer: Answer) -> tuple[float, float]:
    """L0(I − Î)/N and TV(B)/N; TV(1 − B) is the same."""
    changed = np.any(answer.perturbed != answer.input, axis=0).astype(np.float32)
    outline = total_variation(torch.from_numpy(changed)[None])
    return float(changed.mean()), float(outline) / changed.size


def measure(
    terms: Callable[[Answer], Terms], subject: Subject, cases: Sequence[Case], params: ApeWeights
) -> Iterator[Reading]:
    """The weighted sum of each case, its terms unweighted in `numbers`."""
    targets = [class_of(subject.model, case) for case in cases]
    for answer in subject.ask([case.pixels for case in cases], targets):
        if answer.perturbed is None:
            yield Reading(None, note=NO_PICTURE)
            continue
        area, outline, belief = terms(answer)
        yield Reading(
            value=params.sparsity * area + params.smoothness * outline + params.class_weight * belief,
            numbers={"l0": area, "tv": outline, "class": belief},
        )


def _row(name: str, title: str, terms: Callable[[Answer], Terms], summary: str) -> Metric:
    return Metric(
        name=name,
        title=title,
        summary=summary,
        citation=CITATION,
        of="method",
        better="lower",
        measure=partial(measure, terms),
        summarise=mean_of,
        params=ApeWeights,
        cost=lambda _: 0.5,
        needs=frozenset({"perturbed"}),
    )


APE_D = _row(
    "ape-d", "APE_D", terms_d, "Area, outline and what is left of the class: the least change that takes it away."
)
APE_S = _row("ape-s", "APE_S", terms_s, "Untouched area, outline and change of the class: the least that keeps it.")
