"""Lesions of synthetic mammograms: masses by their border, and clusters of calcifications."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from scipy import special

from explain_core.data.grid import Bits, Field, Grid, dot

Lesion = Literal["smooth", "lobulated", "spiculated", "calcifications"]
LESIONS: tuple[Lesion, ...] = get_args(Lesion)
NAMES = {
    "smooth": "a smooth mass",
    "lobulated": "a lobulated mass",
    "spiculated": "a spiculated mass",
    "calcifications": "a cluster of micro-calcifications",
}


def draw_kinds(rng: np.random.Generator) -> tuple[Lesion, ...]:
    """One lesion, or in a fifth of the cases two of different kinds."""
    count = 2 if rng.random() < 0.2 else 1
    return tuple(LESIONS[i] for i in rng.choice(len(LESIONS), count, replace=False))


def mass(rng: np.random.Generator, grid: Grid, y: float, x: float, radius: float, kind: Lesion) -> tuple[Field, Bits]:
    """A dense body with a sharp border; spicules grow fainter outwards."""
    distance, angle = grid.polar(y, x)
    border = radius * _border(rng, kind, angle)
    inside = special.expit((border - distance) / (0.005 if kind == "spiculated" else 0.0032))
    dome = 0.75 + 0.25 * (1 - (distance / radius) ** 2).clip(0, 1)
    fade = np.exp(-1.4 * (distance / radius - 1).clip(0, None))
    return rng.uniform(0.15, 0.26) * inside * dome * fade, distance < border


def _border(rng: np.random.Generator, kind: Lesion, angle: Field) -> Field:
    """A mass's radius in each direction, over `radius`."""
    turn = rng.uniform(0, 2 * np.pi)
    oval: Field = 1 + rng.uniform(0.05, 0.2) * np.cos(2 * (angle - turn))
    if kind == "smooth":
        return oval
    if kind == "lobulated":
        lobes, wobble = rng.integers(3, 6), rng.uniform(0, 2 * np.pi)
        waves = np.abs(np.cos(lobes / 2 * (angle - turn) + 0.5 * np.cos(angle - wobble)))
        return np.asarray(oval * (0.86 + 0.24 * waves), np.float32)
    spicules = np.zeros_like(angle)
    count = rng.integers(16, 26)
    for way in turn + (np.arange(count) + rng.uniform(-0.4, 0.4, count)) * 2 * np.pi / count:
        off = np.abs((angle - way + np.pi) % (2 * np.pi) - np.pi)
        spicules = np.maximum(spicules, rng.uniform(0.3, 1.6) * np.exp(-off / rng.uniform(0.03, 0.06)))
    return np.asarray(0.8 * oval + spicules, np.float32)


def cluster(
    rng: np.random.Generator, grid: Grid, y: float, x: float, radius: float, kind: Lesion
) -> tuple[Field, Bits]:
    """Fine calcifications, and the disc around their centre that holds them all."""
    change, furthest = np.zeros(grid.shape, np.float32), 0.0
    for _ in range(rng.integers(9, 19)):
        away, way, grain = radius * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi), rng.uniform(0.0028, 0.0052)
        change += rng.uniform(0.22, 0.5) * dot(grid, y + away * np.sin(way), x + away * np.cos(way), grain)
        furthest = max(furthest, away + 2 * grain)
    return change, np.hypot(grid.y - y, grid.x - x) < furthest
