"""How alike two maps are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import spearmanr

from explain_core.metrics.ranking import descending
from explain_core.records import Floats

WINDOW, TRUNCATE = 1.5, 3.5  # SSIM's Gaussian: σ, and 11 × 11 pixels


def scaled(saliency: Floats) -> Floats:
    """To [0, 1]; a constant map to zeros."""
    low, high = float(saliency.min()), float(saliency.max())
    if high == low:
        return np.zeros_like(saliency)
    found: Floats = (saliency - low) / (high - low)
    return found


def squared_difference(a: Floats, b: Floats) -> float:
    """Σ (a − b)² over pixels of maps scaled to [0, 1] each."""
    return float(np.square(scaled(a).astype(np.float64) - scaled(b)).sum())


def spearman(a: Floats, b: Floats) -> float | None:
    """The correlation of ranks, ties at their mean rank; None where a map is constant, as it has no order."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(spearmanr(a.ravel(), b.ravel()).statistic)


def top_overlap(a: Floats, b: Floats, share: float) -> float:
    """Intersection over union of the most salient share of pixels, at least one."""
    count = max(1, round(share * a.size))
    both = len(np.intersect1d(descending(a)[:count], descending(b)[:count]))
    return both / (2 * count - both)


def ssim(a: Floats, b: Floats) -> float:
    """Structural similarity (Wang et al. 2004) of maps scaled to [0, 1]: mean over pixels, Gaussian σ 1.5."""
    x, y = scaled(a).astype(np.float64), scaled(b).astype(np.float64)
    mean_x, mean_y = _local(x), _local(y)
    var_x, var_y = _local(x * x) - mean_x**2, _local(y * y) - mean_y**2
    shared = _local(x * y) - mean_x * mean_y
    alike = (2 * mean_x * mean_y + 0.01**2) * (2 * shared + 0.03**2)
    return float((alike / ((mean_x**2 + mean_y**2 + 0.01**2) * (var_x + var_y + 0.03**2))).mean())


def _local(values: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = ndimage.gaussian_filter(values, WINDOW, truncate=TRUNCATE)
    return found
