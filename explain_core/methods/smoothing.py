"""Gaussian blur of maps and pictures."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F


def gaussian(maps: Tensor, sigma: float, edges: Literal["replicate", "constant"] = "replicate") -> Tensor:
    """Blur (n, h, w) with σ in pixels: separable, half-width ⌈4σ⌉; σ = 0 is identity.

    Beyond the edges the last pixel is repeated, or all is zero.
    """
    if sigma <= 0:
        return maps
    half = math.ceil(4 * sigma)
    kernel = torch.exp(-torch.arange(-half, half + 1, device=maps.device, dtype=maps.dtype).square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    blurred = F.conv2d(F.pad(maps[:, None], (half, half, 0, 0), mode=edges), kernel.view(1, 1, 1, -1))
    return F.conv2d(F.pad(blurred, (0, 0, half, half), mode=edges), kernel.view(1, 1, -1, 1))[:, 0]
