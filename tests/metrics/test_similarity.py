"""Likeness of maps by hand, and SSIM against its definition at one pixel."""

from __future__ import annotations

import numpy as np
import pytest

from explain_core.metrics.similarity import scaled, spearman, squared_difference, ssim, top_overlap

A = np.array([[0, 1], [2, 4]], dtype=np.float32)
B = np.array([[4, 2], [1, 0]], dtype=np.float32)


def test_scaling() -> None:
    assert scaled(A).tolist() == [[0, 0.25], [0.5, 1]]
    assert scaled(A - 7).tolist() == scaled(A).tolist()
    assert scaled(np.full((2, 2), 3, np.float32)).tolist() == [[0, 0], [0, 0]]


def test_the_squared_difference() -> None:
    """(0, ¼, ½, 1) against (1, ½, ¼, 0): 1 + 1/16 + 1/16 + 1."""
    assert squared_difference(A, B) == pytest.approx(2.125)
    assert squared_difference(A, 3 * A + 1) == 0


def test_ranks() -> None:
    assert spearman(A, A**3) == pytest.approx(1)
    assert spearman(A, B) == pytest.approx(-1)
    assert spearman(A, np.zeros((2, 2), np.float32)) is None


def test_the_most_salient_share() -> None:
    assert top_overlap(A, B, 0.5) == 0
    assert top_overlap(A, B, 0.75) == pytest.approx(2 / 4)
    assert top_overlap(A, A, 0.01) == 1


def test_structural_similarity() -> None:
    """1 for equal maps; for a constant a against a constant b only the first factor is left."""
    rng = np.random.default_rng(0)
    x = rng.random((24, 24)).astype(np.float32)
    assert ssim(x, 2 * x + 1) == pytest.approx(1)
    assert abs(ssim(x, rng.random((24, 24)).astype(np.float32))) < 0.2
    assert ssim(x, 1 - x) < -0.5
    step = np.zeros((24, 400), np.float32)
    step[:, 200:] = 1  # against nothing: 1 on the left, 0.0001 / 1.0001 on the right, 5 pixels each way between
    assert ssim(step, np.zeros_like(step)) == pytest.approx(0.5, abs=0.02)
