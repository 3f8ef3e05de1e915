"""Stochastic depth (Huang et al. 2016): in training, residual branches drop out, picture by picture.

A block computes shortcut + mask·branch, where mask is 1/p with probability p (the branch survives) and 0
otherwise, drawn by the training loop for each picture and epoch.  Departure: the original keeps branches
as they are in training and multiplies them by p in evaluation; divided by p in training, the expectation
is the same, and evaluation, attacks and explanations see the plain network with nothing to rescale.

ShakeDrop (Yamada et al. 2018) multiplies what goes back through the branch by a factor of its own.
"""

from __future__ import annotations

from torch import Tensor, nn


class Gate(nn.Module):
    """The sum of a shortcut and its branch, both (n, …); adds no key to the state dict.

    `mask` (n,), set before a forward pass in training mode, multiplies each row of the branch; None
    leaves it as it is, and so does evaluation mode whatever the mask.  `back` (n,) multiplies, in the mask's
    place, every gradient that passes the branch: a first, and one of a gradient.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mask: Tensor | None = None
        self.back: Tensor | None = None

    def forward(self, shortcut: Tensor, branch: Tensor) -> Tensor:
        if self.mask is None or not self.training:
            return shortcut + branch
        factor = _rows(self.mask, branch)
        if self.back is None:
            return shortcut + factor * branch
        back = _rows(self.back, branch)
        # The detached part makes the value right and has no gradient; where it is 0 or alone, to the last bit.
        return shortcut + (back * branch + ((factor - back) * branch).detach())


def _rows(factors: Tensor, like: Tensor) -> Tensor:
    """(n,) to broadcast over (n, …)."""
    return factors.to(like).view(-1, *[1] * (like.ndim - 1))
