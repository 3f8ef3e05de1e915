"""Stochastic depth (Huang et al. 2016): in training, residual branches drop out, picture by picture.

A block computes shortcut + mask·branch, where mask is 1/p with probability p (the branch survives) and 0
otherwise, drawn by the training loop for each picture and epoch.  Departure: the original keeps branches
as they are in training and multiplies them by p in evaluation; divided by p in training, the expectation
is the same, and evaluation, attacks and explanations see the plain network with nothing to rescale.
"""

from __future__ import annotations

from torch import Tensor, nn


class Gate(nn.Module):
    """The sum of a shortcut and its branch, both (n, …); adds no key to the state dict.

    `mask` (n,), set before a forward pass in training mode, multiplies each row of the branch; None
    leaves it as it is, and so does evaluation mode whatever the mask.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mask: Tensor | None = None

    def forward(self, shortcut: Tensor, branch: Tensor) -> Tensor:
        if self.mask is None or not self.training:
            return shortcut + branch
        factor = self.mask.to(branch).view(-1, *[1] * (branch.ndim - 1))
        return shortcut + factor * branch
