"""Weak localisation: a box drawn round what the map marks, held against the marked objects.

Presets:
`fv-2017` (Fong & Vedaldi, ICCV 2017): thresholds by mean (S ≥ α·mean, α 0 to 10), value
(S − min ≥ α·(max − min), α 0 to 0.95) and energy (the largest values while their sum stays below
α·ΣS, α 0 to 0.95); one box round all that survives.
`pb-2022` (Elliott, Law & Russell): maps scaled to [0, 1], then blurred; thresholds by value and by per
cent of the pixels (α 0.05 to 1) and by mean (α 0.05 to 10.5), all in steps of 0.05; a box round the
largest connected component (8 neighbours).

Where nothing survives, the box is all that the network saw.  A box is right where its best IoU with
an object of the class reaches 0.5.  A reading holds the IoU at every threshold; α of each kind, and
the kind, are those of least error on the tuning readings, or on the same readings where there are
none, as the papers' own figures have it.

Departure: boxes are found on the map and scaled to the picture, where Fong & Vedaldi resize the
thresholded map: the edges differ by less than one pixel of the map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from explain_core.data.annotation import Bits, Box
from explain_core.data.window import Window
from explain_core.metrics.base import Case, Metric, Reading, Subject, Summary
from explain_core.metrics.frames import blurred, marked, window_of
from explain_core.metrics.ranking import descending
from explain_core.metrics.scoring import class_of
from explain_core.metrics.similarity import scaled
from explain_core.metrics.summing import interval, standard_error
from explain_core.params import Choice, Params, Range

Values = NDArray[np.float64]
ENOUGH = 0.5
CHOSEN_LATER = "The threshold is chosen over all pictures; the curves hold the IoU at each."


@dataclass(frozen=True, eq=False)
class Map:
    """A map (h, w), with what thresholds need to know of it."""

    values: Values

    @cached_property
    def rank(self) -> NDArray[np.intp]:
        """Each pixel's place (h, w) by falling value."""
        rank = np.empty(self.values.size, dtype=np.intp)
        rank[descending(self.values)] = np.arange(self.values.size)
        return rank.reshape(self.values.shape)

    @cached_property
    def energy(self) -> Values:
        """Sums of the largest 1, 2, … values."""
        return np.cumsum(self.values.ravel()[descending(self.values)])


Keep = Callable[[Map, float], Bits]


def by_mean(found: Map, alpha: float) -> Bits:
    kept: Bits = found.values >= alpha * found.values.mean()
    return kept


def by_value(found: Map, alpha: float) -> Bits:
    low, high = found.values.min(), found.values.max()
    kept: Bits = found.values - low >= alpha * (high - low)
    return kept


def by_energy(found: Map, alpha: float) -> Bits:
    kept: Bits = found.rank < np.searchsorted(found.energy, alpha * found.energy[-1], side="left")
    return kept


def by_share(found: Map, alpha: float) -> Bits:
    kept: Bits = found.rank < round(alpha * found.values.size)
    return kept


@dataclass(frozen=True)
class Kind:
    """A way to cut a map at α, and the α tried."""

    keep: Keep
    alphas: tuple[float, ...]


@dataclass(frozen=True)
class Preset:
    kinds: Mapping[str, Kind]
    scaled: bool
    largest: bool


def grid(low: float, high: float, step: float) -> tuple[float, ...]:
    """Both ends included."""
    return tuple(round(low + step * i, 10) for i in range(round((high - low) / step) + 1))


FINE, FROM_ZERO = grid(0.05, 1, 0.05), grid(0, 0.95, 0.05)
PRESETS: Mapping[str, Preset] = {
    "fv-2017": Preset(
        {
            "value": Kind(by_value, FROM_ZERO),
            "energy": Kind(by_energy, FROM_ZERO),
            "mean": Kind(by_mean, grid(0, 10, 0.5)),
        },
        scaled=False,
        largest=False,
    ),
    "pb-2022": Preset(
        {
            "value": Kind(by_value, FINE),
            "per cent": Kind(by_share, FINE),
            "mean": Kind(by_mean, grid(0.05, 10.5, 0.05)),
        },
        scaled=True,
        largest=True,
    ),
}


@dataclass(frozen=True)
class LocalisationParams(Params):
    preset: Annotated[str, Choice(tuple(PRESETS)), "Whose protocol: thresholds and how the box is drawn."] = "pb-2022"
    blur: Annotated[float, Range(0, 100, 1, unit="pixels of the map"), "σ of the blur of the map before it is cut."] = (
        0.0
    )


def measure(subject: Subject, cases: Sequence[Case], params: LocalisationParams) -> Iterator[Reading]:
    """The IoU of each case at every threshold of every kind."""
    preset = PRESETS[params.preset]
    targets = [class_of(subject.model, case) for case in cases]
    answers = subject.ask([case.pixels for case in cases], targets)
    for case, answer in zip(cases, answers, strict=True):
        saliency = scaled(answer.saliency) if preset.scaled else answer.saliency
        found = Map(blurred(saliency, params.blur).astype(np.float64))
        objects = [edges_of(region.box) for region in marked(case).regions]
        curves = {
            name: tuple(
                best_overlap(found, kind.keep, alpha, preset.largest, window_of(case), objects) for alpha in kind.alphas
            )
            for name, kind in preset.kinds.items()
        }
        best = max(value for curve in curves.values() for value in curve)
        yield Reading(None, {"best IoU": best}, curves, group=marked(case).regions[0].name, note=CHOSEN_LATER)


Edges = tuple[float, float, float, float]
"""Top, left, bottom and right edge, half a pixel outside of the outermost pixels' centres."""


def edges_of(box: Box) -> Edges:
    return box.top - 0.5, box.left - 0.5, box.bottom + 0.5, box.right + 0.5


def best_overlap(
    found: Map, keep: Keep, alpha: float, largest: bool, window: Window, objects: Sequence[Edges]
) -> float:
    """IoU of the box at one threshold with the object that it fits best."""
    box = in_picture(box_round(keep(found, alpha), largest), found.values.shape, window)
    return max(overlap(box, edges) for edges in objects)


def box_round(kept: Bits, largest: bool) -> Box:
    """Round all that was kept, or its largest connected component; the whole map where nothing was."""
    if not kept.any():
        kept = np.ones_like(kept)
    elif largest:
        numbers, _ = ndimage.label(kept, structure=np.ones((3, 3)))
        kept = numbers == np.bincount(numbers.ravel())[1:].argmax() + 1
    rows, columns = np.flatnonzero(kept.any(1)), np.flatnonzero(kept.any(0))
    return Box(float(rows[0]), float(columns[0]), float(rows[-1]), float(columns[-1]))


def in_picture(box: Box, shape: Sequence[int], window: Window) -> Edges:
    """A box on a map (h, w) as edges in the picture of which the window was seen."""
    down, across = window.height / shape[0], window.width / shape[1]
    top, bottom = window.top + box.top * down, window.top + (box.bottom + 1) * down
    left, right = window.left + box.left * across, window.left + (box.right + 1) * across
    return top - 0.5, left - 0.5, bottom - 0.5, right - 0.5


def overlap(a: Edges, b: Edges) -> float:
    """Intersection over union."""
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, height) * max(0.0, width)
    return shared / (_area(a) + _area(b) - shared)


def _area(edges: Edges) -> float:
    return (edges[2] - edges[0]) * (edges[3] - edges[1])


def summarise(readings: Sequence[Reading], tuning: Sequence[Reading], params: LocalisationParams, seed: int) -> Summary:
    """The error rate (best IoU below 0.5) of the kind and α of least error on the tuning readings."""
    kinds = PRESETS[params.preset].kinds
    found = [reading for reading in readings if reading.curves]
    if not found:
        return Summary(None, None, None, 0, len(readings))
    chosen_on = [reading for reading in tuning if reading.curves] or found
    numbers, curves, least, wrongs = dict[str, float](), dict[str, tuple[float, ...]](), dict[str, float](), {}
    for name, kind in kinds.items():
        tuned, tested = wrong(chosen_on, name).mean(0), wrong(found, name)
        place = int(tuned.argmin())
        least[name], wrongs[name] = float(tuned[place]), tested[:, place]
        numbers |= {name: float(wrongs[name].mean()), f"α {name}": kind.alphas[place]}
        if kind.alphas not in curves.values():
            curves[f"α {name}"] = kind.alphas  # kinds that follow are over the same α, unless told
        curves[name] = tuple(map(float, tested.mean(0)))
    best = wrongs[min(least, key=least.__getitem__)]
    numbers |= {
        "best": min(numbers[name] for name in kinds),
        "best IoU": float(np.mean([r.numbers["best IoU"] for r in found])),
    }
    return Summary(
        value=float(best.mean()),
        standard_error=standard_error(best),
        interval=interval(best, seed),
        n=len(found),
        not_found=len(readings) - len(found),
        numbers=numbers,
        curves=curves,
    )


def wrong(readings: Sequence[Reading], kind: str) -> Values:
    """1 where the box missed, (readings, α)."""
    return (np.array([reading.curves[kind] for reading in readings]) < ENOUGH).astype(np.float64)


METRIC = Metric(
    name="localisation",
    title="Weak localisation",
    summary="How often a box round what the map marks misses every object of the class (IoU below 0.5).",
    citation="Fong & Vedaldi, ICCV 2017; Elliott, Law & Russell, CVPR 2021.",
    of="method",
    better="lower",
    measure=measure,
    summarise=summarise,
    params=LocalisationParams,
    cost=lambda _: 0.0,
    needs=frozenset({"label", "regions"}),
    tunes=True,
)
