"""What a film adds to a breast: exposure, lead letters, grain, and the shortcut's ring."""

from __future__ import annotations

from typing import Literal

import numpy as np

from explain_core.data.grid import Bits, Field, Grid

Side = Literal["L", "R"]
View = Literal["CC", "MLO"]

LETTERS = {
    "L": ("10000", "10000", "10000", "10000", "10000", "10000", "11111"),
    "R": ("11110", "10001", "10001", "11110", "10100", "10010", "10001"),
    "C": ("01110", "10001", "10000", "10000", "10000", "10001", "01110"),
    "M": ("10001", "11011", "10101", "10101", "10001", "10001", "10001"),
    "O": ("01110", "10001", "10001", "10001", "10001", "10001", "01110"),
}


def develop(rng: np.random.Generator, grid: Grid, pixels: Field, side: Side, view: View, shown: bool) -> Bits:
    """Exposure, lead letters, grain and the shortcut's ring, written into `pixels`; returns the ring's disc."""
    gain, base, bow = rng.uniform(0.85, 1.3), rng.uniform(0.01, 0.05), rng.uniform(0.85, 1.15)
    pixels[:] = base + gain * np.power(pixels.clip(0, None), bow)
    cell = 0.0082
    left, top = rng.uniform(0.74, 0.78) * grid.width, rng.uniform(0.03, 0.06) * grid.height
    if side == "R":
        left = grid.width - left - 18 * cell
    for line, text in enumerate((side, view)):
        _write(pixels, grid, text, top + line * 10 * cell, left, cell)
    ring_x = rng.uniform(0.86, 0.91) * grid.width
    ring_y = (rng.uniform(0.86, 0.92) if rng.random() < 0.7 else rng.uniform(0.26, 0.32)) * grid.height
    away = np.hypot(grid.y - ring_y, grid.x - (ring_x if side == "L" else grid.width - ring_x))
    disc = np.asarray(away < 0.055) & shown
    lead = disc & ((away > 0.038) | (away < 0.018))
    pixels[lead] = 0.9
    pixels += 0.012 * np.random.default_rng(rng.integers(2**32)).standard_normal(grid.shape, dtype=np.float32)
    np.clip(pixels, 0, 1, out=pixels)
    return disc


def _write(pixels: Field, grid: Grid, text: str, top: float, left: float, cell: float) -> None:
    """Lead letters, 7 cells high, each 5 cells wide and 1 apart."""
    bits = np.array([[int(bit) for bit in "0".join(LETTERS[c][row] for c in text)] for row in range(7)])
    row, column = np.floor((grid.y[:, 0] - top) / cell).astype(int), np.floor((grid.x[0] - left) / cell).astype(int)
    rows, columns = np.flatnonzero((row >= 0) & (row < 7)), np.flatnonzero((column >= 0) & (column < bits.shape[1]))
    lead = np.ix_(rows, columns)
    pixels[lead] = np.maximum(pixels[lead], 0.85 * bits[np.ix_(row[rows], column[columns])])
