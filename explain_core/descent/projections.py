"""Where a perturbed picture must stay: the box [0, 1] and the ball RMSE(x̂ − x) ≤ ρ, per row."""

from __future__ import annotations

import torch
from torch import Tensor

from explain_core.types import Images, Mask, PerRow

SHRINK = 1 - 1e-6  # float32 overshoots the ball otherwise
BISECTIONS = 24  # as many bits as float32 has


def rms(delta: Tensor) -> PerRow:
    """‖δ‖₂ / √(elements), per row."""
    return delta.flatten(1).square().mean(1).sqrt()


def per_row(values: PerRow, like: Tensor) -> Tensor:
    """(n,) shaped to broadcast over (n, …)."""
    return values.view(-1, *[1] * (like.ndim - 1))


def box(z: Images) -> Images:
    """Clip to [0, 1]."""
    return z.clamp(0, 1)


def into_ball(z: Images, x: Images, rho: PerRow) -> Images:
    """Clip to the box, then scale towards x until RMSE ≤ ρ.

    In this order the result satisfies both; ball, then box wastes a quarter of the budget.
    """
    return shrunk(box(z), x, rho)


def into_linf(z: Images, x: Images, eps: PerRow) -> Images:
    """Clip to within eps of x in every pixel, then to the box, which never moves it away from x."""
    bound = per_row(eps * SHRINK, x)
    return box(x + torch.minimum(torch.maximum(z - x, -bound), bound))


def shrunk(z: Images, x: Images, rho: PerRow) -> Images:
    """Scale towards x until RMSE ≤ ρ; the scale is a constant in gradients, so inside it is the identity.

    For pictures that are in the box: differentiating a clip would lose the pixels on its edge.
    """
    delta = z - x
    scale = (rho * SHRINK / rms(delta.detach()).clamp_min(1e-30)).clamp_max(1)
    return x + delta * per_row(scale, delta)


def nearest(z: Images, x: Images, rho: PerRow) -> Images:
    """The point of box and ball nearest to z: clip(x + t(z − x)) with the largest t ≤ 1 inside the ball.

    By bisection; dearer than `into_ball`, for rules that need a true projection.
    """
    clipped = box(z)
    limit = rho * SHRINK
    if bool((rms(clipped - x) <= limit).all()):
        return clipped
    low, high = torch.zeros_like(rho), torch.ones_like(rho)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        fits = rms(box(x + per_row(middle, x) * (z - x)) - x) <= limit
        low, high = middle.where(fits, low), high.where(fits, middle)
    share = torch.where(rms(clipped - x) <= limit, torch.ones_like(low), low)
    return into_ball(x + per_row(share, x) * (z - x), x, rho)


def inside(z: Images, x: Images, mask: Mask) -> Images:
    """z where the mask holds, x elsewhere, exactly."""
    return z.where(mask[:, None], x)
