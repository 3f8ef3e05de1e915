"""Gaussian blur of maps and pictures."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def gaussian(maps: Tensor, sigma: float) -> Tensor:
    """Blur (n, h, w) with σ in pixels: separable, half-width ⌈4σ⌉, edges repeated; σ = 0 is identity."""
    if sigma <= 0:
        return maps
    half = math.ceil(4 * sigma)
    kernel = torch.exp(-torch.arange(-half, half + 1, device=maps.device, dtype=maps.dtype).square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    blurred = F.conv2d(F.pad(maps[:, None], (half, half, 0, 0), mode="replicate"), kernel.view(1, 1, 1, -1))
    return F.conv2d(F.pad(blurred, (0, 0, half, half), mode="replicate"), kernel.view(1, 1, -1, 1))[:, 0]
