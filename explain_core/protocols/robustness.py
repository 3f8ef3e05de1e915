"""What the training papers measure of a network: ARA (AE), stability of maps (Sparse), VII (NM)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from explain_core.params import Choice, Params, Range
from explain_core.protocols.base import VALUE, Arm, NoParams, Protocol, marks


@dataclass(frozen=True)
class AraParams(Params):
    rule: Annotated[str, Choice(("triangular", "paper", "smaller", "fast")), "Step rule of the search."] = "triangular"
    steps: Annotated[int, Range(5, 1000), "Steps of the search."] = 450
    clip: Annotated[bool, "Keep pixels in [0, 1]; the published figures did not."] = True


def ara(methods: Sequence[str], params: AraParams) -> list[Arm]:
    knobs = params.as_dict()
    return [
        Arm("", "attack-ara", knobs, columns={"accuracy": "accuracy", "attack ARA": VALUE}),
        Arm("", "btr-ara", knobs, columns={"BTR ARA": VALUE}),
    ]


def stability(methods: Sequence[str], params: NoParams) -> list[Arm]:
    patch = Arm("", "stability-patch", columns={"sliding patch": VALUE})
    return [patch, *(Arm("", "stability-blur", {}, name, columns={name: VALUE}) for name in methods)]


def vii(methods: Sequence[str], params: NoParams) -> list[Arm]:
    return [
        Arm("", "vii", columns={"VII": VALUE, "chance": "chance"}),
        Arm("", "accuracy-under-attack", columns={"accuracy": "accuracy", "under PGD": VALUE}),
    ]


AE_ARA = Protocol(
    name="ae-ara",
    title="Accuracy-robustness area (AE, Tables I–III and Fig. 3)",
    summary="How much change a network bears before it errs, and before it believes less than chance.",
    citation="Woods, Chen & Teuscher, Nature Machine Intelligence 2019.",
    params=AraParams,
    arms=ara,
    data="npz:FILE",
    n=1000,
    setting="the authors' networks N1–N4 on CIFAR-10 test, 1,000 pictures, unclipped.",
    marks=marks(
        ("accuracy", "attack ARA", "BTR ARA"),
        {
            "resnet44-standard": (0.9384, 0.0013, 0.0015),
            "resnet44-adv-train": (0.8643, 0.0100, 0.0157),
            "resnet44-all": (0.6790, 0.0188, 0.0414),
            "resnet44-robust": (0.6758, 0.0142, 0.0395),
        },
    ),
    figure="curves",
    axis="RMSE of the change",
)

SPARSE_TABLE_2 = Protocol(
    name="sparse-table-2",
    title="Stability of maps (Sparse, Table 2)",
    summary="How far two maps of one picture lie apart when only the way of asking changes a little.",
    citation="Schwartz, Alparslan & Kim, Regularization and Sparsity for Adversarial Robustness.",
    params=NoParams,
    arms=stability,
    data="npz:FILE",
    n=1000,
    setting="a network that the paper does not name, CIFAR-10, 1,000 pictures; base · L1 · L2 · elastic net.",
    methods=("gradcam",),
    marks=marks(
        ("sliding patch", "gradcam"),
        {"base": (26.31, 24.53), "L1": (18.51, 15.13), "L2": (18.62, 15.12), "elastic net": (20.92, 13.96)},
    ),
)

NM_VII = Protocol(
    name="nm-vii",
    title="Visual interpretability (NM, Figs. 3–5)",
    summary="How well the gradient's signs agree with what sets a picture apart from the mean, beside accuracy.",
    citation="Li & Wang, Noise Modulation: Let Your Model Interpret Itself.",
    params=NoParams,
    arms=vii,
    data="mnist:DIR",
    n=10_000,
    setting="networks trained with and without noise modulation; values are in figures only.",
)

PROTOCOLS = (AE_ARA, SPARSE_TABLE_2, NM_VII)
