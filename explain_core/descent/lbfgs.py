"""L-BFGS without a line search, one history per row.

The steps of `torch.optim.LBFGS` (rate 1, first step min(1, 1/‖g‖₁)), but for a whole batch whose
rows never mix.  The inverse Hessian is used in its compact form (Byrd, Nocedal & Schnabel 1994,
Eq. 3.1): with pairs S, Y in order of age, R = triu(SᵀY), D = diag(SᵀY) and γ = sᵀy / yᵀy,

    H g = γ g + S p − γ Y a,   R a = Sᵀg,   Rᵀ p = (D + γ YᵀY) a − γ Yᵀg,

so that a step reads the history twice instead of 4m times.  The small systems are solved in
float64.  A pair with s·y ≤ 1e-10 ‖s‖‖y‖ is skipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from explain_core.descent.rules import State
from explain_core.descent.view import View


class Memory(NamedTuple):
    """Per row: last point and gradient (d,), pairs (2m, d), their products (2m, 2m), how many so far."""

    z: Tensor
    gradient: Tensor
    pairs: Tensor
    products: Tensor
    total: Tensor


@dataclass(frozen=True)
class LBFGS:
    """The rule; `history` pairs a row, which take 2 · history · c·h·w numbers of memory."""

    history: int = 10

    def start(self, z: Tensor) -> State:
        rows, size, m = len(z), z[0].numel(), self.history
        return Memory(
            z.new_zeros(rows, size),
            z.new_zeros(rows, size),
            z.new_zeros(rows, 2 * m, size),
            torch.zeros(rows, 2 * m, 2 * m, dtype=torch.float64, device=z.device),
            torch.zeros(rows, dtype=torch.long, device=z.device),
        )

    def __call__(self, gradient: Tensor, state: State, view: View) -> tuple[Tensor, State]:
        memory, z, g = Memory(*state), view.z.flatten(1), gradient.flatten(1)
        if view.step == 0:
            direction = self.first(memory, g)
        else:
            memory, onto = self.remembered(memory, z, g)
            direction = self.direction(memory, g, onto)
        return direction.view_as(gradient), memory._replace(z=z, gradient=g)

    def first(self, memory: Memory, g: Tensor) -> Tensor:
        """As torch's, or by the pairs that were handed on from a neighbouring problem."""
        first = (1 / g.abs().sum(1).clamp_min(1e-30)).clamp_max(1)[:, None] * g
        if not bool(memory.total.any()):
            return first
        onto = torch.bmm(g[:, None], memory.pairs.mT)[:, 0].double()
        return self.direction(memory, g, onto).where(memory.total[:, None] > 0, first)

    def remembered(self, memory: Memory, z: Tensor, g: Tensor) -> tuple[Memory, Tensor]:
        """The newest pair in the place of the oldest, in rows where its curvature is positive.

        Also the gradient's products (n, 2m) with all pairs: the history is read once for both.
        """
        m, new = self.history, z.new_empty(len(z), 3, z.shape[1])
        torch.sub(z, memory.z, out=new[:, 0])
        torch.sub(g, memory.gradient, out=new[:, 1])
        new[:, 2] = g
        own = torch.bmm(new, new.mT).double()
        curved = own[:, 0, 1] > 1e-10 * (own[:, 0, 0] * own[:, 1, 1]).sqrt()
        row = curved.nonzero()[:, 0]
        slot = memory.total[row] % m
        pairs, products = memory.pairs, memory.products
        places, first = pairs.flatten(0, 1), row * 2 * m + slot  # pairs of all rows as one list
        for offset, part in ((0, 0), (m, 1)):
            values = new[:, part]
            places.index_copy_(0, first + offset, values if len(row) == len(z) else values[row])
        onto = torch.bmm(new, pairs.mT).mT.double()  # this way round it is five times faster than pairs · newᵀ
        for column, place in ((0, slot), (1, m + slot)):
            products[row, :, place] = onto[row, :, column]
            products[row, place, :] = onto[row, :, column]
        total = memory.total.index_add(0, row, torch.ones_like(row))
        return memory._replace(total=total), onto[..., 2]

    def direction(self, memory: Memory, g: Tensor, onto: Tensor) -> Tensor:
        """H g for each row; γ = 1 while there is no pair."""
        m = self.history
        order = self.by_age(memory.total)
        both = torch.cat([order, order + m], dim=1)
        ordered = memory.products.gather(1, both[:, :, None].expand(-1, -1, 2 * m))
        ordered = ordered.gather(2, both[:, None, :].expand(-1, 2 * m, -1))
        sy, yy = ordered[:, :m, m:], ordered[:, m:, m:]
        diagonal = sy.diagonal(dim1=1, dim2=2)
        used = diagonal > 0
        newest = (memory.total - 1).clamp(0, m - 1)[:, None]
        gamma = (diagonal / yy.diagonal(dim1=1, dim2=2).where(used, 1)).gather(1, newest)
        gamma = gamma.where(memory.total[:, None] > 0, 1)
        triangle = sy.triu() + torch.diag_embed((~used).double())
        onto = onto.gather(1, both)
        a = _solve(triangle, onto[:, :m])
        middle = diagonal * a + gamma * (yy @ a[:, :, None])[:, :, 0] - gamma * onto[:, m:]
        p = _solve(triangle.mT, middle, upper=False)
        weights = torch.zeros_like(onto).scatter(1, both, torch.cat([p, -gamma * a], dim=1))
        return gamma.to(g.dtype) * g + torch.bmm(weights.to(g.dtype)[:, None], memory.pairs)[:, 0]

    def by_age(self, count: Tensor) -> Tensor:
        """Slots from the oldest pair to the newest; unused ones last."""
        oldest = torch.where(count >= self.history, count % self.history, 0)
        return (oldest[:, None] + torch.arange(self.history, device=count.device)) % self.history


def _solve(triangle: Tensor, right: Tensor, *, upper: bool = True) -> Tensor:
    solution: Tensor = torch.linalg.solve_triangular(triangle, right[:, :, None], upper=upper)
    return solution[:, :, 0]
