"""Whether a retraining helped: three figures of every arm, and their differences, paired by test picture and seed.

    difference = mean over seeds of  figure(labelled, seed) − figure(other, seed)

Its interval is a percentile bootstrap in which pictures and seeds are drawn anew together, the same for both sides.
The network before is one network, and stands beside every seed.  The smallest difference that such an experiment
would have found four times of five is (z₀.₉₇₅ + z₀.₈) standard errors of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain_core.metrics.ara import area

Values = NDArray[np.float64]
DRAWS, AT_ONCE = 2000, 100
DETECTABLE = 1.959964 + 0.841621
BEFORE = "current"
TITLES = {"accuracy": "accuracy", "attack-ara": "attack ARA", "btr-ara": "BTR ARA"}


@dataclass(frozen=True)
class Figure:
    """One arm's figure, the mean over its networks, with a 95 % interval over pictures and seeds."""

    arm: str
    metric: str
    value: float
    low: float
    high: float
    networks: tuple[float, ...]


@dataclass(frozen=True)
class Difference:
    """`value` is how much higher the arm's figure is than the other arm's; `detectable` the smallest to be found."""

    arm: str
    against: str
    metric: str
    value: float
    low: float
    high: float
    detectable: float

    @property
    def shown(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Proof:
    figures: tuple[Figure, ...]
    differences: tuple[Difference, ...]
    images: int
    seeds: int
    examples: int
    raters: str = "people"
    """Who called them so."""

    def as_dict(self, titles: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Plain values for JSON; `titles` are what the sentence calls the arms."""
        return {
            "images": self.images, "seeds": self.seeds, "examples": self.examples, "raters": self.raters,
            "sentence": sentence(self, titles),
            "figures": [asdict(one) for one in self.figures],
            "differences": [{**asdict(one), "shown": one.shown} for one in self.differences],
        }  # fmt: skip


Readings = Mapping[str, Values]
"""By metric, what one arm's networks got: (networks, pictures); 0 or 1 for accuracy, the smallest RMSE for an ARA."""


def prove(
    found: Mapping[str, Readings], own: str, naive: float, examples: int, seed: int = 0, raters: str = "people"
) -> Proof:
    """`found` by arm, the network before under BEFORE; `naive` is the accuracy without looking (metrics/ara.py).

    Pictures are in the same order everywhere; raises ValueError where they are not of one number.
    """
    images = {values.shape[1] for readings in found.values() for values in readings.values()}
    if len(images) != 1:
        raise ValueError(f"{sorted(images)} pictures: every network must be measured on the same ones.")
    seeds = len(next(iter(found[own].values())))
    draws = _Draws(seeds, images.pop(), seed)
    figures, differences = [], []
    for metric in TITLES:
        figure = _accuracy if metric == "accuracy" else partial(area, naive=naive)
        spread = {arm: draws.of(readings[metric], figure) for arm, readings in found.items()}
        point = {arm: figure(readings[metric]) for arm, readings in found.items()}
        for arm in found:
            low, high = np.quantile(spread[arm], [0.025, 0.975])
            networks = tuple(map(float, point[arm]))
            figures.append(Figure(arm, metric, float(point[arm].mean()), float(low), float(high), networks))
        for other in found:
            if other != own:
                drawn = spread[own] - spread[other]
                value = float(point[own].mean() - point[other].mean())
                low, high = np.quantile(drawn, [0.025, 0.975])
                detectable = DETECTABLE * float(drawn.std(ddof=1))
                differences.append(Difference(own, other, metric, value, float(low), float(high), detectable))
    return Proof(tuple(figures), tuple(differences), draws.images, seeds, examples, raters)


def _accuracy(right: Values) -> Values:
    mean: Values = right.mean(-1)
    return mean


@dataclass(frozen=True)
class _Draws:
    """The same draws of seeds and pictures for every arm and figure."""

    seeds: int
    images: int
    seed: int

    def of(self, values: Values, figure: Callable[[Values], Values]) -> Values:
        """(DRAWS,): the mean over the drawn seeds of the figure of the drawn pictures."""
        draw, found = np.random.default_rng(self.seed), []
        for _ in range(0, DRAWS, AT_ONCE):
            seeds = draw.integers(0, self.seeds, (AT_ONCE, self.seeds))
            images = draw.integers(0, self.images, (AT_ONCE, self.images))
            rows = np.minimum(seeds, len(values) - 1)  # one network stands for every seed
            found.append(figure(values[rows[:, :, None], images[:, None, :]]).mean(1))
        return np.concatenate(found)


def sentence(proof: Proof, titles: Mapping[str, str] | None = None) -> str:
    """What the proof says, in one sentence about the BTR ARA, which the paper's claim is about."""
    own = next(one for one in proof.figures if one.metric == "btr-ara" and one.arm == proof.differences[0].arm)
    told = [_told(one, titles or {}) for one in proof.differences if one.metric == "btr-ara"]
    examples = _counted(proof.examples, "example")
    return (
        f"Retrained with {examples} that {proof.raters} called unchanged, the BTR ARA is {own.value:.4f} "
        f"(mean of {_counted(proof.seeds, 'network')}, {proof.images} test pictures): {_listed(told)}."
    )


def _told(one: Difference, titles: Mapping[str, str]) -> str:
    other = "the network before" if one.against == BEFORE else f"the control “{titles.get(one.against, one.against)}”"
    span = f"95 % {one.low:+.4f} to {one.high:+.4f}"
    if one.shown:
        return f"{abs(one.value):.4f} {'above' if one.value > 0 else 'below'} {other} ({span})"
    return f"no different from {other} as far as can be told ({span}; {one.detectable:.4f} could have been found)"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(texts[:-1]) + " and " + texts[-1] if len(texts) > 1 else "".join(texts)
