"""Which pixels come first: one rule for ties, everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Order = NDArray[np.intp]


def descending(saliency: NDArray[np.floating[Any]]) -> Order:
    """Flat indices by falling value; equal values in row-major order, so that plateaus have one order."""
    return np.argsort(-saliency.ravel(), kind="stable")
