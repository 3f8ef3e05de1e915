"""The pixels that a phantom is drawn on, and noise that is the same at every resolution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Field = NDArray[np.float32]
Bits = NDArray[np.bool_]

FREQUENCIES = 128
"""Waves across the short side; finer detail than this only film grain has."""


@dataclass(frozen=True)
class Grid:
    """Pixel centres: `y` (h, 1) and `x` (1, w), in short sides; `height` and `width` of the frame."""

    y: Field
    x: Field
    height: float
    width: float

    @classmethod
    def of(cls, h: int, w: int) -> Grid:
        short = min(h, w)
        y, x = (np.asarray((np.arange(count) + 0.5) / short, np.float32) for count in (h, w))
        return cls(y[:, None], x[None, :], h / short, w / short)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.y), self.x.shape[1]

    def around(self, y: float, x: float, reach: float) -> tuple[tuple[slice, slice], Grid]:
        """The pixels within `reach` of a point, as slices and as a grid of their own."""
        rows = slice(*np.searchsorted(self.y[:, 0], (y - reach, y + reach)))
        columns = slice(*np.searchsorted(self.x[0], (x - reach, x + reach)))
        return (rows, columns), Grid(self.y[rows], self.x[:, columns], self.height, self.width)

    def polar(self, y: float, x: float) -> tuple[Field, Field]:
        """Distance and direction of every pixel, seen from a point."""
        return np.hypot(self.y - y, self.x - x), np.arctan2(self.y - y, self.x - x)


def noise(rng: np.random.Generator, grid: Grid, falloff: float) -> Field:
    """A periodic Gaussian field (h, w) of unit variance with a spectrum f^−falloff, the same at every size."""
    top, (h, w) = FREQUENCIES, grid.shape
    draws = rng.standard_normal((2, 2 * top + 1, top + 1), dtype=np.float32)
    ky, kx = min(top, (h - 1) // 2), min(top, (w - 1) // 2)
    kept = (slice(top - ky, top + ky + 1), slice(kx + 1))
    waves = (draws[0][kept] + 1j * draws[1][kept]) * _response(falloff, grid.shape)[kept]
    spectrum = np.zeros((h, w // 2 + 1), np.complex64)
    spectrum[: ky + 1, : kx + 1] = waves[ky:]
    spectrum[h - ky :, : kx + 1] = waves[:ky]
    return np.asarray(fft.irfft2(spectrum, s=(h, w), norm="forward"), np.float32)


@lru_cache(maxsize=8)
def _response(falloff: float, shape: tuple[int, int]) -> NDArray[np.complex64]:
    """Gain and phase of each wave, the phase moving samples from corners to pixel centres."""
    top, (h, w) = FREQUENCIES, shape
    fy, fx = np.arange(-top, top + 1)[:, None], np.arange(top + 1)[None, :]
    power = np.square(fy * min(h, w) / h) + np.square(fx * min(h, w) / w)
    power[top, 0] = np.inf
    gain = power ** (-falloff / 4)
    phase = np.exp(1j * np.pi * (fy / h + fx / w))
    return np.asarray(gain * phase / (2 * np.sqrt(np.square(gain[:, 1:]).sum())), np.complex64)


def dot(grid: Grid, y: float, x: float, radius: float) -> Field:
    profile: Field = np.exp(-(((grid.y - y) / radius) ** 2)) * np.exp(-(((grid.x - x) / radius) ** 2))
    return profile
