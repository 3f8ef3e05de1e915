"""A row of APE's Table 1 (Shoshan & Ratner 2018, §4): area, outline, what is left of the class, and hit rate.

A method whose mask is fixed, such as APE, is measured as it is.  One whose mask fades, as meaningful
perturbation's does while its `threshold` is left at auto, is cut: the pixels of saliency ≥ T show the
reference, all others the picture, and T is the one of least mean APE_D on a split of its own.  The paper
scans T in steps of 1e-6, a million passes a picture; here 200 quantiles of all saliencies of the split are
tried, then 20 values between the neighbours of the best.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray

from explain_core.descent.losses import total_variation
from explain_core.methods.meaningful_perturbation import MeaningfulPerturbationParams, reference_of
from explain_core.metrics import hit_rate
from explain_core.metrics.ape import CITATION, ApeWeights
from explain_core.metrics.base import Case, Metric, Reading, Subject, Summary
from explain_core.metrics.needs import NO_MASK
from explain_core.metrics.scoring import as_input, class_of, probabilities_along
from explain_core.metrics.summing import mean_of
from explain_core.models.classifier import Classifier
from explain_core.params import Range
from explain_core.records import Answer

COARSE, FINE = 200, 20
NO_THRESHOLD = "The mask fades, and no threshold was chosen: give one, or a tuning split."
Values = NDArray[np.float64]


@dataclass(frozen=True)
class ApeTableParams(ApeWeights):
    threshold: Annotated[float | None, Range(0, 1), "T, where a mask fades; auto is chosen on the tuning split."] = None

    def weigh(self, area: float, outline: float, belief: float) -> float:
        return self.sparsity * area + self.smoothness * outline + self.class_weight * belief


def fades(answer: Answer) -> bool:
    """Whether a threshold has still to be chosen."""
    params = answer.provenance.params
    return "threshold" in params and params["threshold"] is None


def measure(subject: Subject, cases: Sequence[Case], params: ApeTableParams) -> Iterator[Reading]:
    """APE_D of each case, its terms and the hit rate in `numbers`."""
    targets = [class_of(subject.model, case) for case in cases]
    answers = subject.ask([case.pixels for case in cases], targets)
    for case, answer in zip(cases, answers, strict=True):
        if answer.mask is None:
            yield Reading(None, note=NO_MASK)
        elif not fades(answer):
            yield read(case, answer, answer.mask, answer.p_after or 0.0, params)
        elif params.threshold is None:
            yield Reading(None, note=NO_THRESHOLD)
        else:
            (belief,) = beliefs(subject.model, answer, [params.threshold])
            mask = answer.saliency >= params.threshold
            yield read(case, replace(answer, mask=mask), mask, belief, params)


def read(case: Case, answer: Answer, mask: NDArray[np.bool_], belief: float, params: ApeTableParams) -> Reading:
    area, outline = area_and_outline(mask)
    hit = hit_rate.read(case, answer)
    numbers = {"l0": area, "tv": outline, "class": belief, **hit.numbers}
    if hit.value is not None:
        numbers["hit rate"] = hit.value
    return Reading(params.weigh(area, outline, belief), numbers, units=0.5 if fades(answer) else 0.0)


def area_and_outline(mask: NDArray[np.bool_]) -> tuple[float, float]:
    outline = total_variation(torch.from_numpy(mask.astype(np.float32))[None])
    return float(mask.mean()), float(outline) / mask.size


def beliefs(model: Classifier, answer: Answer, thresholds: Sequence[float]) -> list[float]:
    """The class's probability with the reference shown from each threshold on."""
    x, saliency = as_input(model, answer.input), torch.tensor(answer.saliency).to(model.mean.device)
    model = model.about(x[None])
    method = MeaningfulPerturbationParams.build(dict(answer.provenance.params))
    reference = reference_of(model, x[None], method)[0]
    pictures = (torch.where(saliency >= threshold, reference, x) for threshold in thresholds)
    return probabilities_along(model, pictures, answer.provenance.target)


def fit(subject: Subject, cases: Sequence[Case], params: ApeTableParams) -> ApeTableParams:
    """The parameters with T filled in, where the method's mask fades and T is left open."""
    if params.threshold is not None or not cases:
        return params
    targets = [class_of(subject.model, case) for case in cases]
    (first,) = subject.ask([cases[0].pixels], targets[:1])
    if not fades(first):
        return params
    answers = subject.ask([case.pixels for case in cases], targets)
    pooled = np.concatenate([answer.saliency.ravel() for answer in answers])
    coarse = np.unique(np.quantile(pooled, np.linspace(0, 1, COARSE)))
    best = int(scores(subject.model, answers, coarse, params).argmin())
    fine = np.linspace(coarse[max(0, best - 1)], coarse[min(len(coarse) - 1, best + 1)], FINE)
    fine = np.append(fine, coarse[best])
    chosen = fine[int(scores(subject.model, answers, fine, params).argmin())]
    return replace(params, threshold=float(np.clip(chosen, 0, 1)))


def scores(model: Classifier, answers: Sequence[Answer], thresholds: Values, params: ApeTableParams) -> Values:
    """Mean APE_D at each threshold."""
    total = np.zeros(len(thresholds))
    for answer in answers:
        found = beliefs(model, answer, thresholds.tolist())
        parts = [area_and_outline(answer.saliency >= threshold) for threshold in thresholds]
        total += [params.weigh(*part, belief) for part, belief in zip(parts, found, strict=True)]
    return total / len(answers)


def summarise(readings: Sequence[Reading], tuning: Sequence[Reading], params: ApeTableParams, seed: int) -> Summary:
    """Mean APE_D; the hit rate over pictures whose mask is not empty, which are counted apart."""
    summary = mean_of(readings, tuning, params, seed)
    hits = [reading.numbers["hit rate"] for reading in readings if "hit rate" in reading.numbers]
    numbers = {name: value for name, value in summary.numbers.items() if name not in ("hit rate", hit_rate.EMPTY)}
    numbers[hit_rate.EMPTY] = sum(reading.numbers.get(hit_rate.EMPTY, 0.0) for reading in readings)
    if hits:
        numbers["hit rate"] = float(np.mean(hits))
    if params.threshold is not None:
        numbers["threshold"] = params.threshold
    return replace(summary, numbers=numbers)


METRIC = Metric(
    name="ape-table",
    title="APE_D with the best threshold",
    summary="Area, outline, what is left of the class, and hits on lesions; a fading mask is cut where APE_D is least.",
    citation=CITATION,
    of="method",
    better="lower",
    measure=measure,
    summarise=summarise,
    params=ApeTableParams,
    cost=lambda _: 0.5,
    needs=frozenset({"label", "regions", "mask"}),
    tunes=True,
    fit=fit,
)
