"""Shoshan & Ratner, Regularized adversarial examples for model interpretability, 2018: Table 1.

The paper's (α, β) are kept as they are; how ours scale with a picture's size stands in docs/methods.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from explain_core.params import Params, Range
from explain_core.protocols.base import VALUE, Arm, Protocol, marks

OURS, BASELINE = "ape", "meaningful-perturbation"
WEAK, STRONG, STRONGEST = (0.01, 0.2), (6.0, 120.0), (40.0, 120.0)
COLUMNS = {"L0": "l0", "TV": "tv", "class": "class", "APE_D": VALUE, "hit rate": "hit rate", "empty": "empty masks"}


@dataclass(frozen=True)
class ApeTable1Params(Params):
    steps: Annotated[int | None, Range(5, 2000), "Steps of both methods; auto is each one's own, 300."] = None


def table(methods: Sequence[str], params: ApeTable1Params) -> list[Arm]:
    """APE at three pairs of weights; meaningful perturbation with both references, at three and with τ 3."""
    steps = {} if params.steps is None else {"steps": params.steps}
    rows: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for weights in (WEAK, STRONG, STRONGEST):
        rows[f"APE {_text(weights)}"] = (OURS, _weights(weights))
    for reference in ("min", "blur"):
        for weights, tau in ((WEAK, 1.0), (WEAK, 3.0), (STRONG, 1.0), (STRONGEST, 1.0)):
            knobs = {"preset": "ape-2018", "reference": reference, "tau": tau, **_weights(weights)}
            rows[f"MP {reference} {_text(weights)} τ {tau:g}"] = (BASELINE, knobs)
    return [
        Arm(row, "ape-table", {}, method, {**knobs, **steps}, columns=COLUMNS)
        for row, (method, knobs) in rows.items()
        if method in methods
    ]


def _text(weights: tuple[float, float]) -> str:
    return "({:g}, {:g})".format(*weights)


def _weights(weights: tuple[float, float]) -> dict[str, float]:
    return {"alpha": weights[0], "beta": weights[1]}


TABLE_1 = Protocol(
    name="ape-table-1",
    title="APE against meaningful perturbation (APE, Table 1)",
    summary="Area, outline and what is left of the class, and how many marked parts touch a lesion.",
    citation="Shoshan & Ratner, Regularized adversarial examples for model interpretability, 2018.",
    params=ApeTable1Params,
    arms=table,
    data="phantom:120,0",
    n=120,
    tuning=0.5,
    setting="a truncated Inception-ResNet on mammograms of DDSM; hit rates of the blurred reference may be shares.",
    methods=(OURS, BASELINE),
    marks=marks(
        ("L0", "TV", "class", "APE_D", "hit rate"),
        {
            "APE (0.01, 0.2)": (0.0203, 0.0027, 0.0003, 0.0234, 0.139),
            "APE (6, 120)": (0.0004, 0.0001, 0.0286, 0.0291, 0.291),
            "APE (40, 120)": (0.0001, 0.0001, 0.0174, 0.0176, 0.382),
            "MP min (0.01, 0.2) τ 1": (0.9947, 0.0019, 0.0044, 1.001, 0.105),
            "MP min (0.01, 0.2) τ 3": (0.5254, 0.0059, 0.0027, 0.5340, 0.126),
            "MP min (6, 120) τ 1": (0.6699, 0.0002, 0.0883, 0.7585, 0.239),
            "MP min (40, 120) τ 1": (0.0606, 0.0002, 0.0881, 0.1489, 0.270),
            "MP blur (0.01, 0.2) τ 1": (0.9958, 0.0042, 0.0137, 1.0137, 0.0010),
            "MP blur (0.01, 0.2) τ 3": (0.5487, 0.0100, 0.0090, 0.5680, 0.0011),
            "MP blur (6, 120) τ 1": (0.7240, 0.0130, 0.0927, 0.8297, 0.104),
            "MP blur (40, 120) τ 1": (0.1910, 0.0009, 0.0760, 0.2679, 0.119),
        },
    ),
)

PROTOCOLS = (TABLE_1,)
