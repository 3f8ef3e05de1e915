"""Elliott, Law & Russell, Explaining Classifiers using Adversarial Perturbations on the Perceptual Ball, CVPR 2021.

The layer ranges are the paper's on VGG-19; on any other network the method's own default applies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

from explain_core.metrics.sanity import SanityParams
from explain_core.params import Params, Range
from explain_core.protocols.base import VALUE, Arm, Mark, NoParams, Protocol, marks

CITATION = "Elliott, Law & Russell, CVPR 2021."
OURS, UNREGULARISED = "perceptual-ball", "no-perceptual"
PEERS = (
    "gradient",
    "deconvnet",
    "guided-backprop",
    "excitation-backprop",
    "gradcam",
    "extremal-perturbation",
    "rise",
    "normgrad",
    "selective-normgrad",
)


@dataclass(frozen=True)
class LocalisationParams(Params):
    blur: Annotated[float, Range(0, 64, unit="pixels"), "σ of the blur of our maps, scaled to [0, 1] first."] = 20.0


def localisation(methods: Sequence[str], params: LocalisationParams) -> list[Arm]:
    """Table 1: error of the box at the best threshold of each kind; ours guided as well.

    `best` is the least of the three, as published; `tuned` that of the kind chosen on the tuning split.
    """
    columns = {**{name: name for name in ("value", "per cent", "mean", "best")}, "tuned": VALUE}
    arms = []
    for method in methods:
        ours = method in (OURS, UNREGULARISED)
        knobs = {"preset": "pb-2022", "blur": params.blur if ours else 0.0}
        variants = {method: {"blur": 0.0} if ours else {}}
        if method == OURS:
            variants = {f"{method}, unguided": {"blur": 0.0}, f"{method}, guided": {"blur": 0.0, "guided": True}}
        arms += [Arm(row, "localisation", knobs, method, own, columns=columns) for row, own in variants.items()]
    return arms


def games(methods: Sequence[str], params: NoParams) -> list[Arm]:
    """Table 2: deletion and insertion; ours at several σ of the map's blur."""
    arms = []
    for method in methods:
        sigmas = {OURS: (0.0, 1.0, 2.5, 5.0), UNREGULARISED: (0.0, 2.5)}.get(method)
        for sigma in sigmas or (None,):
            row, own = (method, {}) if sigma is None else (f"{method}, σ {sigma:g}", {"blur": 0.0})
            arms += [
                Arm(row, game, {}, method, own, columns={game: VALUE}, blur=sigma or 0.0)
                for game in ("deletion", "insertion")
            ]
    return arms


@dataclass(frozen=True)
class SweepParams(Params):
    largest: Annotated[float, Range(1, 100, unit="pixels"), "Largest σ."] = 10.0
    points: Annotated[int, Range(2, 50), "How many values of σ, from 0."] = 6


def sweep(methods: Sequence[str], params: SweepParams) -> list[Arm]:
    """Fig. 6: both games against σ."""
    sigmas = [params.largest * index / (params.points - 1) for index in range(params.points)]
    return [
        Arm(f"{method}, σ {sigma:g}", game, {}, method, {"blur": 0.0}, columns={game: VALUE}, blur=sigma, at=sigma)
        for method in methods
        for sigma in sigmas
        for game in ("deletion", "insertion")
    ]


def pointing(methods: Sequence[str], params: NoParams) -> list[Arm]:
    """Table 3: the pointing game at the pictures' own size and enlarged 1.5 times."""
    arms = []
    for method in methods:
        for suffix, scale, sigma in (("", 1.0, 48.0), (", enlarged", 1.5, 30.0)):
            own = {"blur": sigma} if method in (OURS, UNREGULARISED) else {}
            columns = {f"all{suffix}": VALUE, f"difficult{suffix}": "difficult subset"}
            arms.append(Arm(method, "pointing", {}, method, own, columns=columns, scale=scale))
    return arms


@dataclass(frozen=True)
class LayersParams(Params):
    parts: Annotated[int, Range(2, 8), "Into how many parts of the depth the ranges are cut."] = 4


def layers(methods: Sequence[str], params: LayersParams) -> list[Arm]:
    """Fig. 5: every contiguous range of depth, and none."""
    stops = [f"{100 * index / params.parts:.4g}%" for index in range(params.parts + 1)]
    ranges = ["none", *(f"{low}-{high}" for low, high in combinations(stops, 2))]
    return [
        Arm(f"{method}, layers {chosen}", game, {}, method, {"layers": chosen}, columns={game: VALUE})
        for method in methods
        for chosen in ranges
        for game in ("deletion", "insertion")
    ]


def sanity(methods: Sequence[str], params: SanityParams) -> list[Arm]:
    """Fig. 7: maps of the network and of copies with ever more layers drawn anew."""
    knobs = params.as_dict()
    return [Arm(method, "sanity-cascade", knobs, method, columns={"similarity": VALUE}) for method in methods]


_GAMES: tuple[Mark, ...] = marks(
    ("deletion", "insertion"),
    {
        f"{OURS}, σ 0": (0.07, 0.54),
        f"{OURS}, σ 1": (0.09, 0.61),
        f"{OURS}, σ 2.5": (0.11, 0.62),
        f"{OURS}, σ 5": (0.12, 0.63),
        f"{UNREGULARISED}, σ 0": (0.10, 0.42),
        f"{UNREGULARISED}, σ 2.5": (0.15, 0.54),
        "blur-difference": (0.14, 0.59),
        "gradient": (0.19, 0.51),
        "deconvnet": (0.21, 0.56),
        "guided-backprop": (0.14, 0.57),
        "excitation-backprop": (0.12, 0.63),
        "gradcam": (0.11, 0.64),
        "extremal-perturbation": (0.16, 0.62),
        "rise": (0.12, 0.65),
        "normgrad": (0.09, 0.58),
        "selective-normgrad": (0.10, 0.59),
    },
)

TABLE_1 = Protocol(
    name="pb-table-1",
    title="Weak localisation (PB, Table 1)",
    summary="Error of the box drawn round each method's map, thresholds chosen on pictures of their own.",
    citation=CITATION,
    params=LocalisationParams,
    arms=localisation,
    data="imagenet:DIR",
    n=2000,
    tuning=0.5,
    setting="VGG-19-bn, the first 2,000 ImageNet validation pictures.",
    methods=(
        UNREGULARISED,
        OURS,
        "guided-backprop",
        "gradcam",
        "guided-gradcam",
        "excitation-backprop",
        "smoothgrad",
        "integrated-gradients",
        "extremal-perturbation",
        "rise",
        "normgrad",
        "selective-normgrad",
    ),
    marks=marks(
        ("value", "per cent", "mean", "best"),
        {
            UNREGULARISED: (0.50, 0.47, 0.46, 0.46),
            f"{OURS}, unguided": (0.44, 0.44, 0.43, 0.43),
            f"{OURS}, guided": (0.41, 0.43, 0.43, 0.41),
            "guided-backprop": (0.48, 0.52, 0.49, 0.48),
            "gradcam": (0.49, 0.51, 0.48, 0.48),
            "guided-gradcam": (0.46, 0.49, 0.45, 0.45),
            "excitation-backprop": (0.48, 0.50, 0.44, 0.44),
            "smoothgrad": (0.47, 0.49, 0.47, 0.47),
            "integrated-gradients": (0.44, 0.51, 0.48, 0.44),
            "extremal-perturbation": (0.55, 0.52, 0.54, 0.52),
            "rise": (0.51, 0.52, 0.48, 0.48),
            "normgrad": (0.49, 0.52, 0.46, 0.47),
            "selective-normgrad": (0.49, 0.52, 0.47, 0.47),
        },
    ),
)

TABLE_2 = Protocol(
    name="pb-table-2",
    title="Insertion and deletion (PB, Table 2)",
    summary="How fast the class is lost as pixels are taken away in the map's order, and how fast it comes back.",
    citation=CITATION,
    params=NoParams,
    arms=games,
    data="imagenet:DIR",
    n=5000,
    setting="VGG-19-bn, 5,000 ImageNet validation pictures.",
    methods=(OURS, UNREGULARISED, "blur-difference", *PEERS),
    marks=_GAMES,
)

FIGURE_6 = Protocol(
    name="pb-figure-6",
    title="Insertion and deletion against the blur (PB, Fig. 6)",
    summary="Both games as the map of the perceptual ball is blurred more and more.",
    citation=CITATION,
    params=SweepParams,
    arms=sweep,
    data="imagenet:DIR",
    n=5000,
    setting="VGG-19-bn, 5,000 ImageNet validation pictures.",
    methods=(OURS, UNREGULARISED),
    figure="curves",
    axis="σ of the map's blur (pixels)",
)

TABLE_3 = Protocol(
    name="pb-table-3",
    title="Pointing game (PB, Table 3)",
    summary="Whether the map's maximum lies on the object, at the pictures' own size and enlarged.",
    citation=CITATION,
    params=NoParams,
    arms=pointing,
    data="voc:DIR",
    n=4952,
    setting="multi-label VGG-16 on VOC 2007 test.",
    methods=(OURS, UNREGULARISED, "selective-normgrad", "gradcam", "centre"),
    marks=marks(
        ("all", "difficult", "all, enlarged", "difficult, enlarged"),
        {
            OURS: (0.851, 0.690, 0.882, 0.765),
            UNREGULARISED: (0.812, 0.629, 0.860, 0.716),
            "selective-normgrad": (0.860, 0.727, 0.901, 0.808),
        },
    )
    + marks(("all", "difficult"), {"centre": (0.696, 0.424)}),
)

FIGURE_5 = Protocol(
    name="pb-figure-5",
    title="Which activations to hold still (PB, Fig. 5)",
    summary="Both games for every contiguous range of the network's depth in the perceptual term.",
    citation=CITATION,
    params=LayersParams,
    arms=layers,
    data="imagenet:DIR",
    n=500,
    setting="VGG-19-bn, 500 ImageNet validation pictures; ranges of single layers.",
    methods=(OURS,),
)

FIGURE_7 = Protocol(
    name="pb-figure-7",
    title="Sanity check (PB, Fig. 7)",
    summary="Whether a map changes when the network's weights are drawn anew, from the output down.",
    citation=CITATION,
    params=SanityParams,
    arms=sanity,
    data="imagenet:DIR",
    n=100,
    setting="VGG-19-bn.",
    methods=(OURS, "gradient", "guided-backprop", "gradcam"),
    figure="curves",
    axis="layers drawn anew, from the output",
)

PROTOCOLS = (TABLE_1, TABLE_2, TABLE_3, FIGURE_5, FIGURE_6, FIGURE_7)
