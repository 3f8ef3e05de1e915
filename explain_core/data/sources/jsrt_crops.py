"""`jsrt-crops:DIR,K`: regions of JSRT's films, to learn from and to be judged on (AE §III-I4).

A region is 256 × 256 pixels of the raw film: its centre lies in the nodule, or anywhere in a film without one.
Departures: each film has K regions of its own, not new ones every epoch; one that would reach beyond the film is
moved inside.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np

from explain_core.data.annotation import Annotation, Circle, Region
from explain_core.data.images import Picture
from explain_core.data.sources.base import DataSet, Item
from explain_core.data.sources.jsrt import SIDE, read_jsrt
from explain_core.errors import DataError

CROP = 256
"""Raw pixels on each side of a region."""
FILMS = 4
"""So many are remembered, as a film is asked for its regions one after the other."""


def read_jsrt_crops(spec: str, argument: str) -> DataSet:
    """K regions of every film, one where K is not given; splits keep those of one film together.

    Raises DataError, also where nothing says where the nodules lie.
    """
    found = re.fullmatch(r"(.+?)(?:,\s*(\d{1,4}))?", argument)
    count = int(found[2] or 1) if found else 0
    if not found or not count:
        raise DataError(f"{spec}: the form is jsrt-crops:DIR,K with K from 1 to 9999, for example jsrt-crops:DIR,16.")
    films = read_jsrt(spec, found[1])
    for film in films:
        if film.marks is None:
            raise DataError(f"{spec}: nothing says where the nodule of {film.name} lies; put CLNDAT_EN.TXT beside it.")
    return replace(films, items=tuple(_item(film, number) for film in films for number in range(1, count + 1)))


def _item(film: Item, number: int) -> Item:
    return replace(
        film,
        name=f"{film.name} {number}",
        load=partial(_picture, film, number),
        marks=partial(_marks, film, number),
        patient=film.name,
    )


def _picture(film: Item, number: int) -> Picture:
    whole, (top, left, side) = _film(film), _place(film, number)
    pixels = whole.pixels[:, top : top + side, left : left + side].copy()
    pixels.flags.writeable = False
    return Picture(pixels, hashlib.sha256(pixels.tobytes()).hexdigest(), whole.notes)


def _marks(film: Item, number: int) -> Annotation:
    top, left, side = _place(film, number)
    regions = (Region(name, Circle(at.y - top, at.x - left, at.radius)) for name, at in _circles(_marked(film)))
    return Annotation((side, side), tuple(regions))


def _place(film: Item, number: int) -> tuple[int, int, int]:
    """Top, left and side of a film's region, in the film's own pixels; drawn from its name and number alone."""
    marked = _marked(film)
    side = min(round(CROP * max(marked.size) / SIDE), *marked.size)
    draw = np.random.default_rng([number, *film.name.encode()])
    room = np.array(marked.size) - side
    corner = draw.integers(0, room + 1)
    for _, nodule in _circles(marked):
        distance, angle = nodule.radius * math.sqrt(draw.random()), draw.uniform(0, 2 * math.pi)
        centre = nodule.y + distance * math.sin(angle), nodule.x + distance * math.cos(angle)
        corner = np.clip(np.rint(np.array(centre) - (side - 1) / 2).astype(int), 0, room)
    return int(corner[0]), int(corner[1]), side


def _circles(marked: Annotation) -> list[tuple[str, Circle]]:
    return [(region.name, region.shape) for region in marked.regions if isinstance(region.shape, Circle)]


@lru_cache(maxsize=FILMS)
def _film(film: Item) -> Picture:
    return film.read()


@lru_cache(maxsize=FILMS)
def _marked(film: Item) -> Annotation:
    marked = film.annotation
    if marked is None:
        raise DataError(f"{film.name}: nothing is known of its nodule; put CLNDAT_EN.TXT beside the film.")
    return marked
