"""The papers once more, as plainly as possible: one image, no batch, no shared code.

Slow on purpose; the product is held to these.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Net = Callable[[Tensor], Tensor]


def log_odds(y: Tensor, t: int) -> Tensor:
    rest = torch.cat([y[:t], y[t + 1 :]])
    return y[t] - rest.logsumexp(0)


def gradcam(net: nn.Module, layer: nn.Module, x: Tensor, t: int) -> Tensor:
    """Grad-CAM of x (c, h, w): the map before enlarging."""
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _m, _i, out: kept.append(out))
    y = net(x[None].clone().requires_grad_())[0]
    handle.remove()
    (g,) = torch.autograd.grad(y[t], kept[-1])
    alpha = g[0].mean(dim=(1, 2))
    return (alpha[:, None, None] * kept[-1][0]).sum(0).clamp_min(0).detach()


def explain_plus(net: Net, x: Tensor, t: int, rho: float, steps: int, *, sign: int = 1) -> Tensor:
    """Algorithm 1 with the triangular rule: every iterate, projected into the ball, is a candidate."""

    def into_ball(z: Tensor) -> Tensor:
        d = z.clamp(0, 1) - x
        r = d.square().mean().sqrt()
        limit = rho * (1 - 1e-6)
        return x + d * (limit / r if r > limit else 1.0)

    z, best, best_score = x.clone(), x.clone(), -float("inf")
    for n in range(steps + 1):
        candidate = into_ball(z)
        with torch.no_grad():
            score = sign * log_odds(net(candidate[None])[0], t).item()
        if score > best_score:
            best, best_score = candidate, score
        if n == steps:
            break
        d = z - x
        if d.square().mean().sqrt() > rho * (1 - 1e-6):
            direction = d
        else:
            leaf = z.clone().requires_grad_()
            (g,) = torch.autograd.grad(-sign * log_odds(net(leaf[None])[0], t), leaf)
            direction = g
        direction = direction / direction.abs().max()
        direction = direction / direction.square().mean().sqrt()
        z = (z - 5 * rho * 2 * (steps - n) / (steps * (steps + 1)) * direction).clamp(0, 1)
    return best


def perceptual_ball(
    features: Callable[[Tensor], tuple[Tensor, list[Tensor]]],
    x: Tensor,
    t: int,
    *,
    weights: list[float],
    goal: float = -2.0,
    steps: int = 100,
    history: int = 100,
) -> tuple[Tensor, float]:
    """Eq. 5 by torch's L-BFGS; x (c, h, w) and the result are in the network's own (normalised) space.

    `features` returns logits and the chosen activations.  Returns the last iterate and its loss.
    """
    with torch.no_grad():
        _, reference = features(x[None])
    z = x.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([z], max_iter=steps, history_size=history, max_eval=10 * steps)

    def loss() -> Tensor:
        y, now = features(z[None])
        margin = y[0, t] - torch.cat([y[0, :t], y[0, t + 1 :]]).max()
        value = (margin - goal) ** 2 + F.mse_loss(z, x)
        for weight, a, b in zip(weights, now, reference, strict=True):
            value = value + weight * F.mse_loss(a, b)
        return value

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        (z.grad,) = torch.autograd.grad(value, z)
        return value

    optimiser.step(closure)
    with torch.no_grad():
        return z.detach(), float(loss())


def ape(net: Net, x: Tensor, t: int, *, alpha: float, beta: float, steps: int, rate: float) -> tuple[Tensor, Tensor]:
    """Both phases without ρ: (mask, picture), with torch's Adam; softmax networks."""
    n, gamma, epsilon = x[0].numel(), 30.0, 0.01
    beta = beta * (n / 1024**2) ** 0.5
    with torch.no_grad():
        start = log_odds(net(x[None])[0], t)
        tau = max(1.0, start.item() / 3)
        belief = max(0.01, torch.sigmoid(start / tau).item())

    z = x.clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=rate)
    for _ in range(steps):
        adam.zero_grad()
        d = (x - z).abs().amax(0)
        s = 2 / (1 + torch.exp(-gamma * (d - epsilon))) - 1
        tv = (s[1:] - s[:-1]).abs().sum() + (s[:, 1:] - s[:, :-1]).abs().sum()
        loss = torch.sigmoid(log_odds(net(z[None])[0], t) / tau) / belief + alpha * s.mean() + beta * tv / n
        loss.backward()
        adam.step()
        with torch.no_grad():
            z.clamp_(0, 1)
    mask = (x - z.detach()).abs().amax(0) >= epsilon

    candidates = [torch.where(mask, z.detach(), x)]
    z = x.clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=rate)
    for _ in range(steps):
        candidates.append(z.detach().clone())
        adam.zero_grad()
        log_odds(net(z[None])[0], t).backward()
        adam.step()
        with torch.no_grad():
            z.copy_(torch.where(mask, z.clamp(0, 1), x))
    candidates.append(z.detach().clone())
    with torch.no_grad():
        return mask, min(candidates, key=lambda picture: log_odds(net(picture[None])[0], t).item())
