"""What a study comes to: ROC and free-response figures of each arm and step, their differences, and agreement.

Intervals are percentile bootstraps over cases (roc.py), the same resamples for every reader, arm and step, so that
differences are paired.  Readers are taken as they are: to say something of readers who were not there, take the
exported table to a method for several readers and cases (Dorfman, Berbaum and Metz 1992; Obuchowski and Rockette 1995).
Practice, cases without a known truth, and versions that do not count are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from annotations.agreement import AGREEMENT, Ratings, Resampling
from annotations.database import Database
from annotations.reading import froc, roc
from annotations.reading.answers import FINAL, STEPS, UNAIDED
from annotations.reading.export import Read, Told, read_told
from annotations.reading.lexicon import CASE
from explain_core.errors import InputError

Key = tuple[str, str]
"""An arm and a step."""
SHARES = ("per-cent", "fleiss", "alpha")


def analyse(database: Database, study: str, resampling: Resampling | None = None) -> dict[str, Any]:
    """All figures in plain values; raises InputError where no case of a known truth was read, StoreError."""
    return of_told(read_told(database, study), resampling or Resampling())


def of_told(told: Told, resampling: Resampling) -> dict[str, Any]:
    known = [read for read in told.counting if read.label is not None]
    if not known:
        raise InputError("No case whose truth is known has been read to the end yet: there is nothing to analyse.")
    labels = {read.case: int(read.label or 0) for read in known}
    names = sorted(labels)
    draws = roc.resampled([labels[name] for name in names], resampling.resamples, resampling.seed)
    arms = list(dict.fromkeys(read.arm for read in known))
    keys = [(arm, step) for arm in sorted(arms) for step in STEPS]
    readers = sorted({read.reader for read in known})
    curves = [_Curves(known, key, readers, names, labels, draws, resampling.level) for key in keys]
    return {
        "readers": readers, "cases": {"positive": sum(labels.values()), "negative": len(names) - sum(labels.values())},
        "resampling": resampling.as_dict(), "auc": [row for one in curves for row in one.areas()],
        "differences": list(_differences(curves, resampling.level)), "roc": [one.roc() for one in curves],
        "froc": [_froc([read for read in known if (read.arm, read.step) == key], key, readers, names, draws,
                       resampling.level) for key in keys],
        "agreement": list(_agreement(told, keys, resampling)),
    }  # fmt: skip


class _Curves:
    """An arm and step: of each reader the scores of the cases that they read, and areas of all resamples."""

    def __init__(
        self, known: Sequence[Read], key: Key, readers: Sequence[str], names: Sequence[str], labels: dict[str, int],
        draws: roc.Ints, level: float,
    ) -> None:  # fmt: skip
        self.key, self.level = key, level
        self.scores: dict[str, tuple[roc.Floats, roc.Ints, roc.Ints]] = {}
        place = {name: number for number, name in enumerate(names)}
        for reader in readers:
            mine = [read for read in known if (read.reader, read.arm, read.step) == (reader, *key)]
            if mine:
                at = [place[read.case] for read in mine]
                scores = np.array([float(read.answers["score"]) for read in mine])
                self.scores[reader] = scores, np.array([labels[read.case] for read in mine]), draws[:, at]
        self.found = {reader: roc.auc(*parts) for reader, parts in self.scores.items()}
        """The area of each resample, (b,)."""

    @property
    def mean(self) -> float:
        areas = [float(roc.auc(scores, labels)) for scores, labels, _ in self.scores.values()]
        return float(np.mean(areas)) if areas else float("nan")

    @property
    def means(self) -> roc.Floats:
        """Of each resample the mean over readers."""
        return np.asarray(np.mean(list(self.found.values()), axis=0)) if self.found else np.full(1, np.nan)

    def areas(self) -> Iterator[dict[str, Any]]:
        arm, step = self.key
        for reader, (scores, labels, _) in self.scores.items():
            low, high = roc.interval(self.found[reader], self.level)
            value = _number(roc.auc(scores, labels))
            yield {
                "arm": arm,
                "step": step,
                "reader": reader,
                "cases": len(scores),
                "auc": value,
                "low": low,
                "high": high,
            }
        low, high = roc.interval(self.means, self.level)
        yield {
            "arm": arm, "step": step, "reader": "mean", "cases": sum(len(one[0]) for one in self.scores.values()),
            "auc": _number(self.mean), "low": low, "high": high,
        }  # fmt: skip

    def roc(self) -> dict[str, Any]:
        """Each reader's empirical curve, and their mean at equal false positive shares with its band."""
        points, grids, bands = {}, [], []
        for reader, (scores, labels, draws) in self.scores.items():
            false, true = roc.curve(scores, labels)
            points[reader] = [[_number(x), _number(y)] for x, y in zip(false, true, strict=True)]
            grids.append(roc.on_grid(false, true))
            resampled = zip(*roc.curve(scores, labels, draws), strict=True)
            bands.append(np.array([roc.on_grid(each, other) for each, other in resampled]))
        made: dict[str, Any] = {"arm": self.key[0], "step": self.key[1], "readers": points}
        if not bands:
            return made
        edges = [roc.interval(column, self.level) for column in np.mean(bands, axis=0).T]
        return {**made, "mean": [
            {"false": _number(x), "true": _number(y), "low": low, "high": high}
            for x, y, (low, high) in zip(roc.GRID, np.mean(grids, axis=0), edges, strict=True)
        ]}  # fmt: skip


def _differences(curves: Sequence[_Curves], level: float) -> Iterator[dict[str, Any]]:
    """Of mean areas: the final step minus the unaided one in each arm; of two arms the final steps."""
    by = {one.key: one for one in curves if one.scores}
    arms = sorted({arm for arm, _ in by})
    pairs = [((arm, FINAL), (arm, UNAIDED)) for arm in arms]
    pairs += [((second, FINAL), (first, FINAL)) for first, second in combinations(arms, 2)]
    for one, other in pairs:
        if one in by and other in by:
            low, high = roc.interval(by[one].means - by[other].means, level)
            yield {
                "what": " ".join(one), "minus": " ".join(other), "auc": _number(by[one].mean - by[other].mean),
                "low": low, "high": high,
            }  # fmt: skip


def _froc(
    reads: Sequence[Read], key: Key, readers: Sequence[str], names: Sequence[str], draws: roc.Ints, level: float
) -> dict[str, Any]:
    """Each reader's curve, and the mean share of lesions found at so many false marks a film."""
    place, points, marked = {name: number for number, name in enumerate(names)}, {}, []
    for reader in readers:
        mine = [read for read in reads if read.reader == reader]
        if not mine:
            continue
        cases = [
            froc.Marked(tuple(froc.hits(one.answers["findings"], one.regions)), len(one.regions), len(one.films))
            for one in mine
        ]
        marked.append((cases, [place[one.case] for one in mine]))
        points[reader] = [[_number(x), _number(y)] for x, y in zip(*froc.curve(cases), strict=True)]
    whole = [froc.curve(cases) for cases, _ in marked]
    resampled = [froc.curve(cases, draws[:, at]) for cases, at in marked]
    rows = []
    for each in froc.AT if marked else ():
        found = np.mean([froc.found_at(*one, each) for one in resampled], axis=0)
        low, high = roc.interval(found, level)
        share = _number(np.mean([froc.found_at(*one, each) for one in whole]))
        rows.append({"false_per_film": each, "found": share, "low": low, "high": high})
    return {"arm": key[0], "step": key[1], "readers": points, "mean": rows}


def _agreement(told: Told, keys: Sequence[Key], resampling: Resampling) -> Iterator[dict[str, Any]]:
    """Of every coded field about the case, over all cases, in each arm and step."""
    for arm, step in keys:
        reads = [read for read in told.counting if (read.arm, read.step) == (arm, step)]
        for name, field in told.lexicon.about(CASE).items():
            given = {
                (read.case, read.reader): read.answers["fields"][name]
                for read in reads if name in read.answers["fields"]
            }  # fmt: skip
            ratings = Ratings.of(given, field.codes)
            for row in [*SHARES, *(["alpha-ordinal"] if field.ordered else [])]:
                outcome = AGREEMENT[row].function(ratings, resampling)
                yield {"arm": arm, "step": step, "field": name, "statistic": row, **asdict(outcome)}


def _number(value: Any) -> float | None:
    """As JSON has it: nothing where it is not defined."""
    return None if np.isnan(value) else float(value)
