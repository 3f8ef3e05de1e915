"""Raw saliency to RGB, for people to look at; metrics and files never see what is made here.

Colours are plotly's perceptual scales as tables of 256.  A map without negative values runs from 0
to its scale (plasma); a signed one is centred on 0 (blue below, red above).  The scale is a
percentile of |saliency|, so that one pixel cannot blacken the rest.  Values that are not finite are
drawn as 0.

Shapes: pixels float (c, h, w) in [0, 1]; saliency float (h, w); pictures uint8 (h, w, 3), layers
uint8 (h, w, 4).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from plotly.colors import sample_colorscale

from explain_core.records import Answer, Floats

Picture = NDArray[np.uint8]

PERCENTILE = 99.5
SEQUENTIAL, DIVERGING = "plasma", "RdBu_r"
GAINS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
LARGEST_SIDE = 768


@cache
def colours(signed: bool) -> Picture:
    """(256, 3): the table of a signed or a non-negative map."""
    # The outer tenths of the signed scale are too dark to be told from black tissue.
    ends = (0.1, 0.9) if signed else (0.0, 1.0)
    texts = sample_colorscale(DIVERGING if signed else SEQUENTIAL, np.linspace(*ends, 256).tolist())
    table = np.array([[float(part) for part in text[4:-1].split(",")] for text in texts])
    return np.round(table).astype(np.uint8)


def legend(signed: bool, count: int = 9) -> list[str]:
    """Colours for a legend, lowest first, as CSS."""
    table = colours(signed)
    return [f"rgb({r}, {g}, {b})" for r, g, b in table[np.linspace(0, 255, count).astype(int)].tolist()]


def picture(pixels: Floats) -> Picture:
    """Pixels as they are; one channel becomes grey."""
    grey_levels = np.round(_finite(pixels).clip(0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(grey_levels.transpose(1, 2, 0), (*pixels.shape[1:], 3)))


def as_pixels(grey: Floats) -> Floats:
    """(h, w) as pixels of one channel, (1, h, w), read-only."""
    pixels = grey[None].astype(np.float32)
    pixels.flags.writeable = False
    return pixels


def is_signed(saliency: Floats) -> bool:
    return bool((_finite(saliency) < 0).any())


def scale_of(saliency: Floats) -> float:
    """|saliency| at the 99.5th percentile, or its largest where most of it is 0; 0 for a map that is 0 everywhere."""
    size = np.abs(_finite(saliency))
    return float(np.percentile(size, PERCENTILE)) or float(size.max())


def heat(saliency: Floats, scale: float, signed: bool | None = None) -> Picture:
    """The map alone, opaque."""
    signed = is_signed(saliency) if signed is None else signed
    level = _level(saliency, scale)
    drawn: Picture = colours(signed)[np.round((level + 1) * 127.5 if signed else level.clip(0, 1) * 255).astype(int)]
    return drawn


def layer(saliency: Floats, scale: float) -> Picture:
    """The map to lay over a picture: the stronger, the more opaque, so that unimportant tissue stays readable."""
    signed = is_signed(saliency)
    level = _level(saliency, scale)
    # White stands for 0 in the signed table; its outer thirds alone keep the sign visible over any picture.
    shown = np.where(level < 0, (1 + level) / 3, (2 + level) / 3) * 255 if signed else level.clip(0, 1) * 255
    alpha = np.round(np.abs(level) ** 0.75 * 255)
    return np.dstack([colours(signed)[np.round(shown).astype(int)], alpha]).astype(np.uint8)


def overlay(answer: Answer, opacity: float = 0.7) -> Picture:
    """The map over the input; `opacity` in [0, 1] is that of the strongest pixels."""
    return laid_over(answer.input, answer.saliency, opacity)


def laid_over(pixels: Floats, saliency: Floats, opacity: float = 0.7) -> Picture:
    """A map over a picture of its size."""
    over = layer(saliency, scale_of(saliency)).astype(np.float32)
    alpha = over[..., 3:] / 255 * opacity
    mixed = picture(pixels) * (1 - alpha) + over[..., :3] * alpha
    return np.round(mixed).astype(np.uint8)


def gain_of(change: Floats) -> int:
    """The largest round gain at which 99.5 % of the change still fits between black and white."""
    size = float(np.percentile(np.abs(_finite(change)), PERCENTILE))
    fitting = [gain for gain in GAINS if gain * size <= 0.5 * (1 + 1e-6)]
    return fitting[-1] if fitting else 1


def difference(change: Floats, gain: int) -> Picture:
    """Signed change (c, h, w) around mid-grey: brighter pixels went up, darker ones down, `gain` times enlarged."""
    return picture((0.5 + gain * _finite(change)).astype(np.float32))


def masked(pixels: Floats, mask: NDArray[np.bool_]) -> Picture:
    """The picture inside the mask; outside it is dimmed and blue."""
    inside = picture(pixels)
    outside = inside * 0.25 + np.array([10, 30, 70])
    return np.where(mask[..., None], inside, outside.round()).astype(np.uint8)


def outlined(image: Picture, region: NDArray[np.bool_]) -> Picture:
    """The picture with a region's border drawn two pixels wide, just outside the region."""
    from scipy import ndimage  # a fifth of a second that the app's start need not wait

    border = ndimage.binary_dilation(region, iterations=2) & ~region
    return np.where(border[..., None], np.array([255, 214, 0]), image).astype(np.uint8)


def png(image: Picture, largest: int | None = None) -> bytes:
    """Lossless; reduced where a side is longer than `largest` pixels."""
    pillow = Image.fromarray(image)
    if largest and max(pillow.size) > largest:
        pillow.thumbnail((largest, largest), Image.Resampling.BOX)
    buffer = io.BytesIO()
    pillow.save(buffer, format="PNG")
    return buffer.getvalue()


def png_uri(image: Picture) -> str:
    """A PNG as a data URI, ready for an `img`; above 768 pixels it is reduced, as no panel could show more."""
    return "data:image/png;base64," + base64.b64encode(png(image, LARGEST_SIDE)).decode()


def shared_scale(maps: Sequence[Floats]) -> float:
    """One scale for several maps: the largest of theirs; 0 for none."""
    return max(map(scale_of, maps), default=0.0)


def _finite(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _level(saliency: Floats, scale: float) -> NDArray[np.float64]:
    """(h, w) in [−1, 1]; a map that is 0 everywhere stays 0."""
    return (_finite(saliency) / (scale or 1.0)).clip(-1, 1)
