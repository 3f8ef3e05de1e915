"""`phantom:N,SEED`, `phantom-patches:N,SEED`: synthetic mammograms, whole or cut up to learn from, drawn when read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from explain_core.data.annotation import Annotation, Region
from explain_core.data.images import Picture
from explain_core.data.phantom import Phantom, phantom
from explain_core.data.sources.base import DataSet, Item
from explain_core.data.sources.files import picture_of
from explain_core.errors import DataError
from explain_core.records import Floats

CLASSES = ("normal", "lesion")
SIZE = 256
FIRST, APART = 20_000_000, 100_000
"""Training of the embedded networks draws from far below, so that none of these was ever seen."""


PATCH = 112
"""Pixels of a patch's side."""
ON_LESION = 0.75
"""How often a patch of a film with lesions is cut out around one of their pixels."""


def read_phantoms(spec: str, argument: str) -> DataSet:
    """N phantoms of 256 × 256, every second one with lesions, each from a seed of its own; raises DataError."""
    return _set(spec, argument, FIRST, _item)


def read_patches(spec: str, argument: str) -> DataSet:
    """N patches of 112 × 112, each from a film of its own that nothing else draws; raises DataError.

    A patch is `lesion` where any of its pixels is.  Every second film has lesions, and two in seven the lead ring,
    whatever they show.
    """
    return _set(spec, argument, APART, _patch_item, last=98)


def _set(spec: str, argument: str, first: int, item: Callable[[int, int], Item], last: int = 999_999) -> DataSet:
    found = re.fullmatch(r"(\d{1,6}),(\d{1,6})", argument.replace(" ", ""))
    if not found or not 1 <= int(found[1]) <= APART or int(found[2]) > last:
        form = spec.partition(":")[0]
        raise DataError(
            f"{spec}: the form is {form}:N,SEED with N from 1 to {APART} and SEED to {last}, for example {form}:60,0."
        )
    first += APART * int(found[2])
    return DataSet(
        spec,
        tuple(item(first + i, i % 2) for i in range(int(found[1]))),
        CLASSES,
        citation="Synthetic mammograms by Rhoscope.",
        terms="Free.",
        mapping="films",
    )


def _item(seed: int, label: int) -> Item:
    return Item(f"phantom {seed}", partial(_picture, seed, label), label, partial(_marks, seed, label))


@lru_cache(maxsize=4)
def _drawn(seed: int, label: int) -> Phantom:
    """Picture and marks are asked for one after the other."""
    return phantom(seed, SIZE, label=label)


def _picture(seed: int, label: int) -> Picture:
    film = _drawn(seed, label)
    pixels = film.pixels[None].copy()
    pixels.flags.writeable = False
    return Picture(pixels, hashlib.sha256(pixels.tobytes()).hexdigest(), (film.alt,))


def _marks(seed: int, label: int) -> Annotation:
    film = _drawn(seed, label)
    regions = (Region("lesion", film.lesion),) if film.lesion.any() else ()
    return Annotation(film.lesion.shape, regions)


@lru_cache(maxsize=4)
def _cut_out(seed: int, label: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A patch and where lesions lie in it, (112, 112) each; in 256 levels, as films are kept in memory."""
    film = phantom(seed, SIZE, label=label, marker=seed % 7 < 2)
    cut = _cut(film)
    return np.rint(film.pixels[cut] * 255).astype(np.uint8), film.lesion[cut]


def _cut(film: Phantom) -> tuple[slice, slice]:
    """Where a film's patch lies."""
    draw = np.random.default_rng((film.seed, 99))
    top, left = draw.integers(0, SIZE - PATCH + 1, 2)
    marked = np.argwhere(film.lesion)
    if len(marked) and draw.random() < ON_LESION:
        middle = marked[draw.integers(len(marked))] - PATCH * draw.uniform(0.15, 0.85, 2)
        top, left = np.clip(np.rint(middle).astype(int), 0, SIZE - PATCH)
    return slice(top, top + PATCH), slice(left, left + PATCH)


def _patch_item(seed: int, label: int) -> Item:
    """Films without lesions need not be drawn to know their label."""
    shown = int(label and bool(_cut_out(seed, label)[1].any()))
    return Item(f"patch {seed}", lambda: picture_of(_cut_out(seed, label)[0]), shown)


def lesion_alone(name: str) -> Floats:
    """What lesions add to the picture of this name, (h, w), 0 outside their mask and where there are none.

    The film of the same seed without lesions is subtracted.  Raises DataError for a name that no phantom has.
    """
    found = re.fullmatch(r"(phantom|patch) ([0-9]{5,9})", name)
    if not found:
        raise DataError(
            f"{name!r} is no phantom's name: only of `phantom:` and `phantom-patches:` is the lesion known."
        )
    seed, whole = int(found[2]), found[1] == "phantom"
    marker = None if whole else seed % 7 < 2
    film = phantom(seed, SIZE, label=seed % 2, marker=marker)
    added = (film.pixels - phantom(seed, SIZE, label=0, marker=marker).pixels) * film.lesion
    return added if whole else added[_cut(film)]
