"""Max-sensitivity (Yeh et al., On the (in)fidelity and sensitivity of explanations, 2019).

The largest relative change of the map, ‖Φ(x̃) − Φ(x)‖₂ / ‖Φ(x)‖₂, over pictures x̃ drawn evenly from
the L∞ ball round x, clipped to [0, 1].  A maximum over samples is a bound from below.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from explain_core.metrics.base import Case, Metric, Reading, Subject
from explain_core.metrics.scoring import predicted
from explain_core.metrics.summing import mean_of
from explain_core.params import Params, Range
from explain_core.records import Floats


@dataclass(frozen=True)
class SensitivityParams(Params):
    radius: Annotated[float, Range(0, 1, 0.005, unit="of the pixel range"), "Largest change of a pixel."] = 0.02
    samples: Annotated[int, Range(1, 1000, 1), "Pictures drawn."] = 10


def measure(subject: Subject, cases: Sequence[Case], params: SensitivityParams) -> Iterator[Reading]:
    """The largest relative change of each case's map."""
    for case in cases:
        target = predicted(subject.model, case)
        drawn = draw(case, subject.seed, params)
        (own, *others) = subject.ask([case.pixels, *drawn], [target] * (len(drawn) + 1))
        yield largest(own.saliency, [other.saliency for other in others])


def draw(case: Case, seed: int, params: SensitivityParams) -> list[Floats]:
    """Pictures of the ball, the same for the same seed and case, whatever else is measured."""
    digest = hashlib.sha256(f"{seed} {case.name}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest))
    shape = (params.samples, *case.pixels.shape)
    noise = rng.uniform(-params.radius, params.radius, shape).astype(np.float32)
    return list(np.clip(case.pixels + noise, 0, 1))


def largest(own: Floats, others: Sequence[Floats]) -> Reading:
    size = float(np.linalg.norm(own.astype(np.float64)))
    if size == 0:
        return Reading(None, note="The map is zero: there is nothing to relate a change to.", units=0.5)
    changes = [float(np.linalg.norm(other.astype(np.float64) - own)) / size for other in others]
    return Reading(max(changes), {"mean change": float(np.mean(changes))}, units=0.5)


METRIC = Metric(
    name="sensitivity-max",
    title="Max-sensitivity",
    summary="The largest relative change of the map when every pixel may change by up to 0.02.",
    citation="Yeh et al., On the (in)fidelity and sensitivity of explanations, NeurIPS 2019.",
    of="method",
    better="lower",
    measure=measure,
    summarise=mean_of,
    params=SensitivityParams,
    cost=lambda params: 0.5,
)
