"""How far raters agree with each other, with themselves, and with answers that are known.

Every statistic has one form, 1 − D_o / D_e: observed disagreement over what chance would give (D_e = 1 for
per cent agreement).  D_o and D_e are made of sums over items, so that the bootstrap needs each *pattern* of
answers once: resampling items is drawing how often each pattern occurs, which is a multinomial distribution.

Its 95 % interval is the percentile bootstrap over items (Efron and Tibshirani 1993, §13.3): raters are taken as
they are.  It is too narrow for a dozen items, and a single point where all resamples agree.

Where chance alone explains everything, or nobody shares an item, a statistic has no value, and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from types import MappingProxyType
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from explain_core.errors import InputError, ParamError, suggest
from explain_core.params import Params, Range

MISSING = -1
MOST_CATEGORIES = 100
CHUNK = 1 << 22  # numbers of a block of resamples
MOST_UNDEFINED = 0.05  # of the resamples, beyond which those with a value no longer stand for all

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
Formula = Callable[[Floats], tuple[Floats, Floats]]
Weights = Literal["none", "linear", "quadratic"]
Scale = Literal["nominal", "ordinal", "interval"]

NOBODY = "No item was answered by two raters: raise the overlap."
ONE_CATEGORY = "Every answer is the same, and chance would agree as well (0/0): read per cent agreement instead."
ONE_ITEM = "An interval needs two items or more."
LEVEL = Range(0.5, 0.999)


@dataclass(frozen=True, eq=False)
class Ratings:
    """Who answered what: `codes` (items, raters) are positions in `categories`, MISSING where there is no answer.

    Categories are in their order, as weighted kappa and ordinal α read it; `values` are their numbers for
    interval α, 0, 1, 2 … unless given.  Raises InputError.
    """

    codes: Codes
    categories: tuple[str, ...]
    items: tuple[str, ...]
    raters: tuple[str, ...]
    values: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(set(self.categories)) == len(self.categories) <= MOST_CATEGORIES:
            raise InputError(f"{len(self.categories)} categories: 1 to {MOST_CATEGORIES} different ones are needed.")
        if self.codes.shape != (len(self.items), len(self.raters)):
            raise InputError(f"A table of {self.codes.shape} answers: give one row an item, one column a rater.")
        if self.codes.size and not MISSING <= self.codes.min() <= self.codes.max() < len(self.categories):
            raise InputError(f"A category code outside -1 to {len(self.categories) - 1}: -1 stands for no answer.")
        if len(self.numbers) != len(self.categories) or not np.isfinite(self.numbers).all():
            raise InputError("The values of the categories: give one finite number for each.")
        if len(set(self.numbers)) < len(self.numbers):
            raise InputError("The values of the categories: no two may be equal.")

    @classmethod
    def of(
        cls,
        answers: Mapping[tuple[str, str], str],
        categories: Sequence[str],
        values: Sequence[float] | None = None,
    ) -> Ratings:
        """From (item, rater) → category; items and raters are sorted by name.  Raises InputError."""
        place = {category: code for code, category in enumerate(categories)}
        rows = {item: row for row, item in enumerate(sorted({item for item, _ in answers}))}
        columns = {rater: column for column, rater in enumerate(sorted({rater for _, rater in answers}))}
        codes = np.full((len(rows), len(columns)), MISSING, np.int64)
        for (item, rater), category in answers.items():
            codes[rows[item], columns[rater]] = _code(category, place)
        numbers = None if values is None else tuple(float(value) for value in values)
        return cls(codes, tuple(categories), tuple(rows), tuple(columns), numbers)

    def only(self, *raters: str) -> Ratings:
        """The answers of these raters; raises InputError for one who gave none."""
        for rater in raters:
            if rater not in self.raters:
                raise InputError(f"No rater {rater!r} in these answers: {suggest(rater, self.raters)}")
        return replace(self, codes=self.codes[:, [self.raters.index(rater) for rater in raters]], raters=raters)

    @property
    def numbers(self) -> tuple[float, ...]:
        """The value of each category."""
        return tuple(map(float, range(len(self.categories)))) if self.values is None else self.values


@dataclass(frozen=True)
class Resampling(Params):
    """How an interval is found."""

    resamples: Annotated[int, Range(200, 100_000, 100), "Resamples of the items."] = 2000
    level: Annotated[float, LEVEL, "Share of such intervals that cover the truth."] = 0.95
    seed: Annotated[int, Range(0, 2**31 - 1, 1), "Seed of the resamples."] = 0


@dataclass(frozen=True)
class Outcome:
    """A statistic and its interval, each None where it is not defined; `reason` then says why.

    Beside an interval, `reason` says which resamples it leaves out.  `items` are those with two answers or more,
    `answers` all answers to them.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    items: int = 0
    answers: int = 0


@dataclass(frozen=True)
class Statistic:
    """A row of AGREEMENT; `function` takes the ratings and how to resample them."""

    name: str
    title: str
    function: Callable[[Ratings, Resampling], Outcome]
    citation: str
    needs: str


def per_cent(ratings: Ratings, resampling: Resampling) -> Outcome:
    """Share of equal answers in [0, 1]: the mean over pairs of raters, each over the items that both answered."""
    pairs = [
        (a, b)
        for a, b in combinations(range(len(ratings.raters)), 2)
        if ((ratings.codes[:, a] >= 0) & (ratings.codes[:, b] >= 0)).any()
    ]

    def parts(patterns: Codes) -> Floats:
        first, second = patterns[:, [a for a, _ in pairs]], patterns[:, [b for _, b in pairs]]
        shared = (first >= 0) & (second >= 0)
        return np.hstack([shared, shared & (first != second)]).astype(float)

    def formula(sums: Floats) -> tuple[Floats, Floats]:
        shared, differing = np.split(sums, 2, axis=-1)
        met = shared > 0  # in a resample two raters may meet nowhere
        return (differing / np.where(met, shared, 1)).sum(-1) / met.sum(-1), np.ones(sums.shape[:-1])

    return _estimate(ratings, parts, formula, resampling)


def cohen(ratings: Ratings, resampling: Resampling, weights: Weights = "none") -> Outcome:
    """Cohen's kappa of two raters over the items that both answered; disagreements weigh 1, |i − j| or (i − j)²."""
    if len(ratings.raters) != 2:
        return Outcome(None, reason=f"Kappa compares two raters, and {len(ratings.raters)} answered: choose two.")
    size = len(ratings.categories)
    apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size))).astype(float)
    weight = {"none": (apart > 0).astype(float), "linear": apart, "quadratic": apart**2}[weights]

    def parts(patterns: Codes) -> Floats:
        table = np.zeros((len(patterns), size, size))
        rows = np.flatnonzero((patterns >= 0).all(1))
        table[rows, patterns[rows, 0], patterns[rows, 1]] = 1
        return table.reshape(len(patterns), -1)

    def formula(sums: Floats) -> tuple[Floats, Floats]:
        table = sums.reshape(*sums.shape[:-1], size, size) / sums.sum(-1)[..., None, None]
        chance = table.sum(-1)[..., :, None] * table.sum(-2)[..., None, :]
        return (weight * table).sum((-2, -1)), (weight * chance).sum((-2, -1))

    return _estimate(ratings, parts, formula, resampling)


def fleiss(ratings: Ratings, resampling: Resampling) -> Outcome:
    """Fleiss' kappa; which rater gave an answer does not matter, and items may have different numbers of answers.

    Gwet's generalisation (2014): D_o is the mean over the items with two answers or more of the share of
    their pairs that differ; a category's chance is its mean share over all items with an answer.  With equal
    numbers of answers both are Fleiss'.
    """
    size = len(ratings.categories)

    def parts(patterns: Codes) -> Floats:
        counts = _counts(patterns, size)
        given = counts.sum(1, keepdims=True)
        paired = given > 1
        differing = (given**2 - (counts**2).sum(1, keepdims=True)) / np.where(paired, given * (given - 1), 1)
        return np.hstack([counts / np.maximum(given, 1), paired * differing, paired])

    def formula(sums: Floats) -> tuple[Floats, Floats]:
        shares = sums[..., :size] / sums[..., :size].sum(-1, keepdims=True)
        paired = np.where(sums[..., -1] > 0, sums[..., -1], np.nan)  # a resample may be without any pair
        return sums[..., -2] / paired, (shares * (shares.sum(-1, keepdims=True) - shares)).sum(-1)

    return _estimate(ratings, parts, formula, resampling)


def krippendorff(ratings: Ratings, resampling: Resampling, scale: Scale = "nominal") -> Outcome:
    """Krippendorff's α from the coincidences of answers within items; items with one answer say nothing.

    The squared difference of two categories is 0 or 1 (nominal), that of their values (interval), or that of
    their mean ranks among all paired answers (ordinal).
    """
    size = len(ratings.categories)
    values = np.array(ratings.numbers)

    def parts(patterns: Codes) -> Floats:
        counts = _counts(patterns, size)
        others = np.maximum(counts.sum(1) - 1, 1)
        pairs: Floats = counts[:, :, None] * (counts[:, None, :] - np.eye(size)) / others[:, None, None]
        return pairs.reshape(len(patterns), -1)

    def formula(sums: Floats) -> tuple[Floats, Floats]:
        coincidences = sums.reshape(*sums.shape[:-1], size, size)
        totals = coincidences.sum(-1)
        paired = totals.sum(-1)
        places = totals.cumsum(-1) - totals / 2 if scale == "ordinal" else np.broadcast_to(values, totals.shape)
        squared = (places[..., :, None] - places[..., None, :]) ** 2
        distance = 1 - np.eye(size) if scale == "nominal" else squared
        chance = totals[..., :, None] * totals[..., None, :] / (paired - 1)[..., None, None]
        return (coincidences * distance).sum((-2, -1)), (chance * distance).sum((-2, -1))

    return _estimate(ratings, parts, formula, resampling)


def _estimate(ratings: Ratings, parts: Callable[[Codes], Floats], formula: Formula, resampling: Resampling) -> Outcome:
    """`parts` (patterns, numbers) are what an item with such answers adds to the sums that `formula` is made of."""
    given = (ratings.codes >= 0).sum(1)
    if not (given > 1).any():
        return Outcome(None, reason=NOBODY)
    patterns, counts = np.unique(ratings.codes, axis=0, return_counts=True)
    added = parts(patterns)
    used = added.any(1)
    added, counts = added[used], counts[used]
    sizes = {"items": int((given > 1).sum()), "answers": int(given[given > 1].sum())}
    value = _one_minus(*formula(counts @ added))
    if np.isnan(value):
        return Outcome(None, reason=ONE_CATEGORY, **sizes)
    if counts.sum() < 2:
        return Outcome(float(value), reason=ONE_ITEM, **sizes)
    found = _resampled(added, counts, formula, resampling)
    undefined = int(np.isnan(found).sum())
    reason = f"{undefined} of {resampling.resamples} resamples have no value: more items are needed." * bool(undefined)
    if undefined > MOST_UNDEFINED * resampling.resamples:
        return Outcome(float(value), reason=reason, **sizes)
    tail = (1 - resampling.level) / 2
    low, high = np.nanquantile(found, [tail, 1 - tail])
    return Outcome(float(value), float(low), float(high), reason, **sizes)


def _resampled(added: Floats, counts: Codes, formula: Formula, resampling: Resampling) -> Floats:
    """The statistic of each resample of the items, in blocks that bound the memory."""
    rng = np.random.default_rng(resampling.seed)
    total, block = int(counts.sum()), max(1, CHUNK // max(added.shape))
    found = []
    for start in range(0, resampling.resamples, block):
        draws = rng.multinomial(total, counts / total, size=min(block, resampling.resamples - start))
        found.append(_one_minus(*formula(draws @ added)))
    return np.concatenate(found)


def _one_minus(observed: Floats, expected: Floats) -> Floats:
    """1 − D_o / D_e; NaN, which never leaves this module, where chance expects no disagreement."""
    defined = np.asarray(expected) > 0
    return np.where(defined, 1 - observed / np.where(defined, expected, 1), np.nan)


def _counts(patterns: Codes, size: int) -> Floats:
    """How often each pattern has each category, (patterns, categories)."""
    return np.stack([(patterns == code).sum(1) for code in range(size)], axis=1).astype(float)


ALPHA = "Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011"
ROWS = (
    Statistic("per-cent", "Agreement", per_cent, "a plain count", "two raters or more"),
    Statistic("cohen", "Cohen's kappa", cohen, "Cohen, Educ. Psychol. Meas. 20, 1960", "exactly two raters"),
    Statistic(
        "cohen-linear",
        "Cohen's kappa, linear weights",
        partial(cohen, weights="linear"),
        "Cohen, Psychol. Bull. 70, 1968",
        "exactly two raters; categories in order",
    ),
    Statistic(
        "cohen-quadratic",
        "Cohen's kappa, quadratic weights",
        partial(cohen, weights="quadratic"),
        "Cohen, Psychol. Bull. 70, 1968",
        "exactly two raters; categories in order, evenly spaced",
    ),
    Statistic(
        "fleiss",
        "Fleiss' kappa",
        fleiss,
        "Fleiss, Psychol. Bull. 76, 1971; Gwet, Handbook of Inter-Rater Reliability, 2014",
        "two raters or more",
    ),
    Statistic("alpha", "Krippendorff's α, nominal", krippendorff, ALPHA, "two raters or more"),
    Statistic(
        "alpha-ordinal",
        "Krippendorff's α, ordinal",
        partial(krippendorff, scale="ordinal"),
        ALPHA,
        "two raters or more; categories in order",
    ),
    Statistic(
        "alpha-interval",
        "Krippendorff's α, interval",
        partial(krippendorff, scale="interval"),
        ALPHA,
        "two raters or more; a value for each category",
    ),
)

AGREEMENT: Mapping[str, Statistic] = MappingProxyType({row.name: row for row in ROWS})


@dataclass(frozen=True)
class Share:
    """`count` of `of`, with Wilson's interval (1927); None, with the reason, of nothing."""

    count: int
    of: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


def wilson(count: int, of: int, *, level: float = 0.95, reason: str = "There is nothing to count.") -> Share:
    """A share with its interval; `reason` is what to say where `of` is 0.  Raises ParamError for the level."""
    fault = LEVEL.fault(level)
    if fault:
        raise ParamError(f"level = {level!r}: {fault}.")
    if not of:
        return Share(0, 0, reason=reason)
    from scipy.stats import binomtest  # slow to import, and nothing else here needs it

    bounds = binomtest(count, of).proportion_ci(level, method="wilson")
    return Share(count, of, count / of, float(bounds.low), float(bounds.high))


def gold_accuracy(ratings: Ratings, gold: Mapping[str, str], *, level: float = 0.95) -> Mapping[str, Share]:
    """Rater → share of the gold items (item → known category) that this rater answered as known.

    Any other answer is wrong, *unsure* too.  Raises InputError for a category that is none.
    """
    place = {category: code for code, category in enumerate(ratings.categories)}
    known = np.array([_code(gold[item], place) if item in gold else MISSING for item in ratings.items], np.int64)
    asked = (ratings.codes >= 0) & (known >= 0)[:, None]
    right = asked & (ratings.codes == known[:, None])
    reason = "This rater has answered no gold item."
    return {
        rater: wilson(int(right[:, column].sum()), int(asked[:, column].sum()), level=level, reason=reason)
        for column, rater in enumerate(ratings.raters)
    }


def self_consistency(answers: Iterable[tuple[str, str, str]], *, level: float = 0.95) -> Mapping[str, Share]:
    """Rater → share of the items this rater answered repeatedly whose answers are all the same.

    `answers` are (item, rater, category), each time that an item was answered; the repeat of an item has its name.
    An item counts once however often it was repeated, so that what is counted is independent.
    """
    given: dict[str, dict[str, list[str]]] = {}
    for item, rater, category in answers:
        given.setdefault(rater, {}).setdefault(item, []).append(category)
    found = {}
    for rater in sorted(given):
        repeated = [set(each) for each in given[rater].values() if len(each) > 1]
        same = sum(len(each) == 1 for each in repeated)
        found[rater] = wilson(same, len(repeated), level=level, reason="This rater has answered no item twice.")
    return found


def _code(category: str, place: Mapping[str, int]) -> int:
    if category not in place:
        raise InputError(f"No category {category!r}: {suggest(category, place)}")
    return place[category]
