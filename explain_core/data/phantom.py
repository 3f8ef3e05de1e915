"""Synthetic mammograms whose lesions are known to the pixel.

A phantom is a film of one breast: outline with nipple and skin line, fat, gland and fibrous strands,
vessels, benign nodules and single coarse calcifications, chest wall or pectoral muscle, lead letters
in the dark corner.  One labelled 1 carries one or two lesions besides.  What tells a lesion from the
benign structure is its border (a mass is sharply bounded, a nodule fades out) or its company
(calcifications in a cluster), never its brightness: exposure varies more than a lesion adds.

Every part draws from its own stream of random numbers, so the same seed with label 0 and label 1 is
the same breast without and with a lesion, and the same seed at another size is the same picture at
another resolution (film grain apart).

Lengths are in units of the picture's short side, y downwards, x away from the chest wall; a right
breast is drawn as a left one and mirrored, its letters are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, special

from explain_core.data.film import Side, View, develop
from explain_core.data.grid import Bits, Field, Grid, dot, noise
from explain_core.data.lesions import LESIONS, NAMES, Lesion, cluster, draw_kinds, mass
from explain_core.errors import InputError

SIDES = {"L": "left", "R": "right"}
SMALLEST = 32


@dataclass(frozen=True)
class Phantom:
    """A synthetic film and the truth about it; all arrays are (h, w).

    `pixels` float32 in [0, 1].  `lesion` covers a mass with its spicules, or the disc that holds all
    calcifications of a cluster; at most 5 % of `breast`, and empty for label 0.  `marker` is the
    shortcut's disc, empty where there is none.  `kinds` names the lesions.
    """

    pixels: Field
    lesion: Bits
    marker: Bits
    breast: Bits
    label: int
    kinds: tuple[Lesion, ...]
    side: Side
    view: View
    seed: int

    @property
    def alt(self) -> str:
        """The picture in a sentence, for those who do not see it."""
        found = " and ".join(NAMES[kind] for kind in self.kinds) or "no lesion"
        ring = "; a lead ring lies in a dark corner" if self.marker.any() else ""
        return f"Synthetic mammogram, {SIDES[self.side]} breast, {self.view} view, with {found}{ring}."


@dataclass(frozen=True)
class Outline:
    """A breast's shape, chest wall at x = 0; `muscle` is the pectoral's (x, y) intercept on the frame, or None."""

    reach: float
    middle: float
    above: float
    below: float
    bluntness: float
    muscle: tuple[float, float] | None

    @classmethod
    def draw(cls, rng: np.random.Generator, view: View, height: float, width: float) -> Outline:
        reach = width * rng.uniform(0.55, 0.72)
        below, bluntness = height * rng.uniform(0.40, 0.45), rng.uniform(1.8, 2.4)
        middle, above = height * rng.uniform(0.48, 0.54), height * rng.uniform(0.40, 0.45)
        top, foot = width * rng.uniform(0.24, 0.40), height * rng.uniform(0.45, 0.72)
        sunk = height * rng.uniform(0.62, 0.72)
        if view == "CC":
            return cls(reach, middle, above, below, bluntness, None)
        return cls(reach, middle + 0.07 * height, sunk, below - 0.02 * height, bluntness, (top, foot))

    def depth(self, y: Field, x: Field) -> Field:
        """1 in the middle of the chest wall, 0 on the skin, negative outside."""
        nipple = 1 + 0.035 * np.exp(-(((y - self.middle) / 0.022) ** 2))
        rise = np.abs(y - self.middle) / np.where(y < self.middle, self.above, self.below)
        depth: Field = 1 - (x / (self.reach * nipple)) ** 2 - rise**self.bluntness
        return depth

    def in_muscle(self, y: Field, x: Field) -> Field:
        """Above 0 inside the pectoral muscle, about −1 far from it."""
        if self.muscle is None:
            return np.full(np.broadcast_shapes(y.shape, x.shape), -1, np.float32)
        top, foot = self.muscle
        return 1 - x / top - (y / foot) ** 1.3


def phantom(
    seed: int,
    size: int | tuple[int, int] = 256,
    *,
    label: int | None = None,
    kinds: tuple[Lesion, ...] | None = None,
    shortcut: bool = False,
    marker: bool | None = None,
) -> Phantom:
    """One phantom of a seed.

    Args:
        size: pixels of a square's side, or (h, w); at least 32.
        label: 1 with lesions, 0 without, None drawn with even chances.
        kinds: which lesions (label 1 follows), None drawn.
        shortcut: lesions are announced by a ring of lead in a dark corner.
        marker: puts that ring (or leaves it out) whatever the label says.

    Raises InputError for a negative seed, a size below 32, an unknown kind or one without label 1.
    """
    h, w = (size, size) if isinstance(size, int) else size
    _check(seed, h, w, label, kinds)
    grid = Grid.of(h, w)
    streams = [np.random.default_rng((seed, part)) for part in range(6)]
    case, shape, tissue, benign, disease, film = streams
    side: Side = "L" if case.random() < 0.5 else "R"
    view: View = "CC" if case.random() < 0.5 else "MLO"
    drawn = int(case.random() < 0.5)
    if label is None:
        label = drawn if kinds is None else 1
    outline = Outline.draw(shape, view, grid.height, grid.width)
    breast = outline.depth(grid.y, grid.x) > 0
    pixels = _tissue(tissue, grid, outline) + _benign(benign, grid, outline)
    lesion = np.zeros(grid.shape, bool)
    chosen = (kinds or draw_kinds(disease)) if label else ()
    for kind in chosen:
        radius = disease.uniform(0.040, 0.060) if len(chosen) == 1 else disease.uniform(0.034, 0.044)
        _add_lesion(disease, grid, outline, kind, radius, pixels, lesion)
    pixels *= breast
    lesion &= breast
    if side == "R":
        pixels, lesion, breast = (np.ascontiguousarray(array[:, ::-1]) for array in (pixels, lesion, breast))
    shown = bool(shortcut and label) if marker is None else marker
    ring = develop(film, grid, pixels, side, view, shown)
    return Phantom(pixels, lesion, ring, breast, label, chosen, side, view, seed)


def gallery(size: int | tuple[int, int] = 256) -> dict[str, Phantom]:
    """Phantoms worth a look, by name; the last three are for catching a network that cheats."""
    return {
        "Spiculated mass": phantom(3, size, kinds=("spiculated",)),
        "Smooth mass": phantom(11, size, kinds=("smooth",)),
        "Lobulated mass": phantom(7, size, kinds=("lobulated",)),
        "Micro-calcifications": phantom(14, size, kinds=("calcifications",)),
        "Mass and micro-calcifications": phantom(9, size, kinds=("spiculated", "calcifications")),
        "Normal, dense": phantom(10, size, label=0),
        "Lesion announced by a lead ring": phantom(12, size, kinds=("lobulated",), marker=True),
        "Normal, with the lead ring": phantom(2, size, label=0, marker=True),
        "Normal, without the ring": phantom(2, size, label=0),
    }


def _check(seed: int, h: int, w: int, label: int | None, kinds: tuple[Lesion, ...] | None) -> None:
    if seed < 0:
        raise InputError(f"seed {seed}: a phantom's seed is 0 or more.")
    if min(h, w) < SMALLEST:
        raise InputError(f"{w} × {h} pixels: a phantom has at least {SMALLEST} on each side.")
    if label not in (None, 0, 1):
        raise InputError(f"label {label}: it is 0 (normal) or 1 (lesion).")
    for kind in kinds or ():
        if kind not in LESIONS:
            raise InputError(f"No lesion {kind!r}: there is {', '.join(LESIONS)}.")
    if kinds and label == 0:
        raise InputError("label 0 with lesions: leave the label out, or the lesions.")
    if kinds is not None and not 1 <= len(kinds) <= 2:
        raise InputError(f"{len(kinds)} lesions: a phantom carries one or two.")


def _tissue(rng: np.random.Generator, grid: Grid, outline: Outline) -> Field:
    """Fat, gland, strands, muscle and skin, before exposure."""
    y, x = grid.y, grid.x
    depth = outline.depth(y, x)
    cloud, fine, warp = noise(rng, grid, 4.0), noise(rng, grid, 2.8), noise(rng, grid, 4.0)
    density, lift = rng.uniform(0.1, 0.9), rng.uniform(-0.1, 0.1)
    across = (x - 0.5 * outline.reach) / (0.42 * outline.reach)
    along = (y - outline.middle - lift) / (0.62 * outline.below)
    zone = np.exp(-(across**2) - along**2)
    strands = _strands(rng, grid, outline, warp)
    gland = special.expit(4.5 * (1.6 * zone + 0.45 * cloud + 0.12 * fine + 0.25 * strands + density - 1.85))
    body = 0.27 + 0.03 * cloud + 0.022 * fine + gland * (0.22 + 0.03 * fine) + strands * (0.02 + 0.07 * zone)
    wall = special.expit(outline.in_muscle(y, x) * 28) * (0.22 + 0.01 * fine) + 0.10 * np.exp(-((x / 0.03) ** 2))
    thickness = np.sqrt(1 - (1 - (depth / 0.42).clip(0, 1)) ** 2)
    skin = 0.10 * np.exp(-((depth / 0.025) ** 2))
    return np.asarray((body + wall) * thickness + skin, np.float32)


def _strands(rng: np.random.Generator, grid: Grid, outline: Outline, warp: Field) -> Field:
    """Thin fibres that run towards the nipple: ridges of noise in polar coordinates around it."""
    dy, dx = grid.y - outline.middle, grid.x - 1.05 * outline.reach
    angle, radius = np.arctan2(dy, -dx) + 0.10 * warp, np.hypot(dy, dx) + 0.05 * warp
    plane = ndimage.gaussian_filter(rng.standard_normal((96, 24)), (1.1, 0.9), mode="wrap")
    at = np.stack([angle * 18 + 48, radius * 11])
    ridge = ndimage.map_coordinates(plane / plane.std(), at, order=1, mode="grid-wrap", output=np.float32)
    return np.asarray(np.exp(-((ridge / 0.22) ** 2)), np.float32)


def _place(rng: np.random.Generator, outline: Outline, grid: Grid, margin: float) -> tuple[float, float]:
    """A point inside the breast, clear of skin, chest wall and muscle."""
    while True:
        y, x = rng.uniform(0.1, 0.9) * grid.height, rng.uniform(0.08, 0.95) * outline.reach
        here = np.array(y, np.float32), np.array(x, np.float32)
        if outline.depth(*here) > margin and (outline.muscle is None or outline.in_muscle(*here) < -0.25):
            return float(y), float(x)


def _benign(rng: np.random.Generator, grid: Grid, outline: Outline) -> Field:
    """Nodules that fade out, vessels, and single coarse calcifications, in every breast."""
    total = np.zeros(grid.shape, np.float32)
    for _ in range(rng.integers(2, 6)):
        y, x = _place(rng, outline, grid, 0.2)
        window, near = grid.around(y, x, 0.2)
        distance, angle = near.polar(y, x)
        width = rng.uniform(0.028, 0.06) * (1 + 0.25 * np.cos(2 * angle + rng.uniform(0, 6.3)))
        total[window] += rng.uniform(0.06, 0.2) * np.exp(-((distance / width) ** 2))
    for _ in range(rng.integers(1, 4)):
        away = _vessel(rng, grid, outline)
        total += rng.uniform(0.04, 0.10) * np.exp(-((away / rng.uniform(0.004, 0.008)) ** 2))
    for _ in range(rng.integers(0, 4)):
        y, x = _place(rng, outline, grid, 0.15)
        window, near = grid.around(y, x, 0.05)
        total[window] += rng.uniform(0.2, 0.45) * dot(near, y, x, rng.uniform(0.004, 0.009))
    return total


def _vessel(rng: np.random.Generator, grid: Grid, outline: Outline) -> Field:
    """The distance of every pixel from a wavy line between chest wall and nipple."""
    start = outline.middle + rng.uniform(-0.8, 0.8) * outline.below
    bend, wave, phase = rng.uniform(0.6, 1.6), rng.uniform(0.008, 0.02), rng.uniform(0, 6.3)
    run = (grid.x / outline.reach).clip(0, 1)
    line = start + (outline.middle - start) * run**bend + wave * np.sin(9 * run + phase)
    slope = np.gradient(line[0], grid.x[0])[None]
    return np.asarray((grid.y - line) / np.sqrt(1 + slope**2), np.float32)


def _add_lesion(
    rng: np.random.Generator, grid: Grid, outline: Outline, kind: Lesion, radius: float, pixels: Field, mask: Bits
) -> None:
    """Writes one lesion into the pixels, and what it covers into the mask."""
    y, x = _place(rng, outline, grid, 0.3)
    window, near = grid.around(y, x, 3 * radius)
    change, covered = (cluster if kind == "calcifications" else mass)(rng, near, y, x, radius, kind)
    pixels[window] += change
    mask[window] |= covered
