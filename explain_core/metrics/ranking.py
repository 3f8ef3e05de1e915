"""Which pixels come first: one rule for ties, everywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explain_core.records import Floats

Order = NDArray[np.intp]


def descending(saliency: Floats) -> Order:
    """Flat indices by falling value; equal values in row-major order, so that plateaus have one order."""
    return np.argsort(-saliency.ravel(), kind="stable")
