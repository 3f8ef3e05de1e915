"""Items about explanations: a picture, and beside it what a method marks there; or what two methods mark, as *left* and
*right* in an order of the seed.

Maps are shown by their size alone, |saliency| in one scale of colours, so that no sign tells which method drew them;
the methods' names stand in the bundle, where raters do not look.  Where the data mark the thing, gold and practice
items have made maps: one of the marked region, and the same one moved half the picture's sides away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from explain_core.campaign.bundle import Explained
from explain_core.campaign.params import BETTER, CampaignParams
from explain_core.campaign.strategies import Chosen
from explain_core.data.annotation import Bits
from explain_core.data.window import whole
from explain_core.engine.library import Held
from explain_core.errors import DataError, ParamError
from explain_core.evaluation.asking import Asking
from explain_core.export import write
from explain_core.methods import get_method
from explain_core.metrics.base import Case
from explain_core.metrics.frames import blurred
from explain_core.records import Floats

AT_ONCE = 16
SOFT = 1 / 40
"""Blur of a made map, as a share of the shorter side."""


def explained(
    held: Held, cases: Sequence[Case], chosen: Sequence[Chosen], params: CampaignParams, folder: Path,
    on_progress: Callable[[float], None],
) -> Iterator[Explained]:  # fmt: skip
    """The first `items` pictures of the strategy's order; raises DataError where there are fewer, ParamError."""
    methods = [params.method, params.against] if params.question == BETTER else [params.method]
    if len({get_method(name).name for name in methods}) < len(methods):
        raise ParamError(f"{params.method} against itself: name another method to set against it.")
    if len(chosen) < params.items:
        raise DataError(f"{len(chosen)} pictures to explain, and {params.items} asked for: ask for fewer, give more.")
    for start in range(0, params.items, AT_ONCE):
        some = chosen[start : min(start + AT_ONCE, params.items)]
        asked = [cases[one.index] for one in some]
        paths = [folder / "made" / f"{start // AT_ONCE:05}-{method}.npz" for method in methods]
        found = [_maps(held, method, asked, path, params.seed) for method, path in zip(methods, paths, strict=True)]
        for one, case, *maps in zip(some, asked, *found, strict=True):
            order = np.random.default_rng([params.seed, 2, one.index]).permutation(len(maps)).tolist()
            told = {"random": one.random, "strategy": params.strategy, "methods": [methods[place] for place in order]}
            yield _example(case, [maps[place] for place in order], held, told)
        on_progress(min(1.0, (start + AT_ONCE) / params.items))


def known(truth: str, case: Case, held: Held) -> tuple[Explained, str]:
    """An item about a case that has a `mark`, and its answer: right or misleading; left or right, of two."""
    mask = mark(case)
    if mask is None:
        raise DataError(f"{case.name}: nothing is marked in it that could be moved aside.")
    there = blurred(mask.astype(np.float32), SOFT * min(mask.shape))
    aside = _aside(there)
    told = {"why": "It is on what is marked." if truth == "right" else "It is beside what is marked."}
    maps = {"right": [there], "misleading": [aside]}[truth]
    return _example(case, maps, held, told), truth


def known_of_two(truth: str, case: Case, held: Held) -> tuple[Explained, str]:
    """As `known`, of the question which of two is better."""
    (right, _), (wrong, _) = known("right", case, held), known("misleading", case, held)
    maps = [one.maps["explanation"] for one in (right, wrong)]
    told = {"why": f"The {truth} one is on what is marked, the other beside it."}
    return _example(case, maps if truth == "left" else maps[::-1], held, told), truth


def mark(case: Case) -> Bits | None:
    """Its marked region on its pixels (h, w), where there is one that can be moved aside, clear of itself."""
    if case.annotation is None:
        return None
    window, height, width = case.window or whole(case.annotation.size), *case.pixels.shape[1:]
    rows = (window.top + (np.arange(height) + 0.5) / height * window.height).astype(int)
    columns = (window.left + (np.arange(width) + 0.5) / width * window.width).astype(int)
    regions = case.annotation.mask()
    mask: Bits = regions[np.ix_(rows.clip(0, regions.shape[0] - 1), columns.clip(0, regions.shape[1] - 1))]
    return mask if mask.any() and not (mask & _aside(mask)).any() else None


def _aside(values: Any) -> Any:
    """Moved half the height down and half the width to the right; what leaves comes in at the other side."""
    return np.roll(values, (values.shape[0] // 2, values.shape[1] // 2), (0, 1))


def _example(case: Case, maps: Sequence[Floats], held: Held, told: Mapping[str, Any]) -> Explained:
    label = int(case.label or 0)
    named = dict(zip(("left", "right") if len(maps) > 1 else ("explanation",), maps, strict=True))
    return Explained(case.pixels, named, held.card.classes[label], {"source": case.name, "label": label, **told})


def _maps(held: Held, method: str, cases: Sequence[Case], path: Path, seed: int) -> list[Floats]:
    """A chunk's maps, which are kept when they are whole."""
    if not path.exists():
        ask = Asking(held, method, seed=seed)
        answers = ask([case.pixels for case in cases], [int(case.label or 0) for case in cases])
        buffer = BytesIO()
        np.savez(buffer, *(answer.saliency for answer in answers))
        write(path, buffer.getvalue())
    with np.load(path, allow_pickle=False) as arrays:
        return [arrays[f"arr_{number}"] for number in range(len(cases))]
