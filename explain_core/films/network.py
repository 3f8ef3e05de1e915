"""What a network sees of a film, how its maps come back to the film's own pixels, and what a change is in greys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explain_core.data.images import Picture, fit, seen
from explain_core.data.window import Window
from explain_core.dicom.film import Film, Voi, VoiWindow, unit
from explain_core.dicom.transforms import displayed, modality, usual, voi
from explain_core.errors import ImageError
from explain_core.films.side import chest_wall
from explain_core.records import Floats

if TYPE_CHECKING:  # classifier.py loads torch, which looking at films does without
    from explain_core.models.classifier import InputSpec

FEWEST = 0.005
BAND = 256


@dataclass(frozen=True, eq=False)
class Sight:
    """Exactly what a network saw of a film: `pixels` float32 (c, h, w) in [0, 1], read-only, which part, and how.

    `window` is in the grid that the network looked at, which is the film's own, or mirrored left to right.
    """

    pixels: Floats
    window: Window
    mirrored: bool
    notes: tuple[str, ...]

    def place(self, found: Floats, outside: float = 0.0) -> Floats:
        """A map (h', w') of what was seen in the film's own grid, pixel by pixel; `outside` where nothing was."""
        placed = self.window.place(found, outside)
        return np.ascontiguousarray(placed[:, ::-1]) if self.mirrored else placed

    def record(self) -> dict[str, Any]:
        """The mapping as plain values for JSON."""
        return {**self.window.record(), "mirrored": self.mirrored}


def sight(film: Film, input: InputSpec) -> Sight:
    """What a network with this input sees; raises ImageError for a film that is too small for it."""
    windowed = input.greys == "first window"
    greys = displayed(film) if windowed else unit(film)
    mirrored = input.views == "chest wall left" and chest_wall(film) == "right"
    if mirrored:
        greys = greys[:, ::-1]
    pixels = fit(Picture(np.ascontiguousarray(greys)[None], film.sha256), input)
    pixels.flags.writeable = False
    window = seen(film.size, input)
    return Sight(pixels, window, mirrored, tuple(_told(film, window, pixels, mirrored, windowed)))


def _told(film: Film, window: Window, pixels: Floats, mirrored: bool, windowed: bool) -> Iterator[str]:
    (h, w), (tall, wide) = film.size, pixels.shape[1:]
    cut = window.height < h or window.width < w
    part = f"the middle {window.width:.0f} × {window.height:.0f} of " if cut else ""
    resized = "" if (tall, wide) == (window.height, window.width) else f", resized to {wide} × {tall}"
    yield f"seen: {part}{w} × {h} pixels{resized}"
    if mirrored:
        yield "mirrored for the network: its chest wall is on the right"
    scale = f"in its first window ({in_words(usual(film))})" if windowed else f"stored values of {film.facts.bits} bits"
    inverse = film.facts.inverse if windowed else film.facts.photometric == "MONOCHROME1"
    yield scale + (", inverted: low values are bright in this film" if inverse else "")


def handling(input: InputSpec) -> tuple[str, ...]:
    """What a model states of its input: size, views and greys, a sentence each."""
    if input.size is None:
        size = f"Takes films of any size from {input.smallest} × {input.smallest} pixels, at their own resolution."
    else:
        before = f", as if its short side had been made {input.resize} first" if input.resize else ""
        size = f"Takes {input.size[1]} × {input.size[0]} pixels: the middle of the film, resized{before}."
    mirror = input.views == "chest wall left"
    return (
        size,
        f"One view at a time, {'mirrored so that the chest wall is on the left' if mirror else 'turned as stored'}.",
        "0 to 1 are the ends of the film's first window."
        if input.greys == "first window"
        else "0 to 1 are the lowest and the highest value that the film can store; bright is dense.",
    )


@dataclass(frozen=True)
class GreyChange:
    """The largest change of one pixel: in `stored` values, None where they cannot be told, and in `greys` of 255."""

    stored: float | None
    greys: float
    window: str

    def __str__(self) -> str:
        values = "" if self.stored is None else f"{_number(self.stored)} stored values, "
        levels = "less than 0.01" if 0 < self.greys < FEWEST else _number(self.greys)
        return f"At most {values}{levels} of 255 grey levels {self.window}"


def largest_change(
    film: Film, input: InputSpec, before: Floats, after: Floats, chosen: Voi | None = None
) -> GreyChange:
    """What a change of a network's pixels is on the screen, where the film is shown by `chosen` (by `usual` if None).

    `before`, `after` (c, h, w) in [0, 1] as in an Answer, of a network that sees `input`.  Where it was shown a
    windowed film, only that window can tell.
    """
    if before.shape != after.shape:
        raise ImageError(f"Pictures of {before.shape} and {after.shape}: both must be of one explanation.")
    if input.greys == "first window":
        change = _largest(before, after)
        return GreyChange(None, 255 * change, f"in the window that the network saw ({in_words(usual(film))})")
    top, shown = (1 << film.facts.bits) - 1, chosen or usual(film)
    bands = [slice(start, start + BAND) for start in range(0, before.shape[1], BAND)]
    shades = (
        [_shown(film, values[:, band], top, shown) for values in (before, after)] for band in bands
    )  # a whole film in float64 is large
    greys = max(_largest(one, other) for one, other in shades)
    return GreyChange(top * _largest(before, after), 255 * greys, f"in this window ({in_words(shown)})")


def _largest(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(np.abs(other - one).max())


def _shown(film: Film, values: Floats, top: int, chosen: Voi) -> NDArray[np.float64]:
    return voi(modality(_stored(film, values, top), film.facts.rescale), chosen)


def _stored(film: Film, values: Floats, top: int) -> NDArray[np.float64]:
    """Stored values, fractions too, of what the network saw."""
    grey = values.astype(np.float64)
    return film.lowest + top * (1 - grey if film.facts.photometric == "MONOCHROME1" else grey)


def in_words(chosen: Voi) -> str:
    """A way of showing a film, by its name, or its centre and width."""
    if isinstance(chosen, VoiWindow):
        where = f"centre {_number(chosen.center)}, width {_number(chosen.width)}"
        return f"{chosen.explanation}, {where}" if chosen.explanation else where
    return chosen.explanation or "a table of the film's own"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
