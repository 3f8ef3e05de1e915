"""The Lipschitz term (AE, Eq. 9): small gradients of the outputs with respect to the picture.

    L = ψ / (K · N_in) · Σ_k (Σ_j max(|∂y_vk/∂x_j| − σ, 0)^z) · (Σ_l |∂y_vk/∂x_l|)^q

K of the V outputs are drawn for each picture without replacement; x is the picture as it was trained on,
with N_in values in [0, 1].  With probability ζ a picture's first output is another: the true class; or, `tandem`,
the true class less (or plus) the largest of the others.

ψ is fixed, or adapts to the classification loss L_b of the batch (Eq. 15), before it is used:

    ψ = k_ψ0 · exp(k_ψ · Σ_b clip(−ln(L_b / L_target), −ε_worse, ε_better)),   the running sum kept ≥ 0.

Departures: with K > 1 only the first of the K outputs is exchanged, which the paper leaves open; the exponent
is capped, so that a network that learns nothing never overflows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from explain_core.errors import ParamError
from explain_core.models.classifier import others, pick
from explain_core.params import Choice, Params, Range
from explain_core.training.batch import Seen
from explain_core.training.terms.base import Setting, Term, TermRow

LARGEST_EXPONENT = 20.0
TINY = 1e-12


@dataclass(frozen=True)
class LipschitzParams(Params):
    outputs: Annotated[int, Range(1, 1000), "K: outputs drawn for each picture."] = 1
    z: Annotated[float, Range(0, 5, 0.5), "Power of each gradient entry."] = 2.0
    q: Annotated[float, Range(0, 4, 0.5), "Power of the entries' sum, which multiplies; begin with ψ 0.01 then."] = 0.0
    dead_zone: Annotated[float, Range(0, 10, 0.01), "σ: gradients below it cost nothing."] = 0.0
    zeta: Annotated[float, Range(0, 1, 0.05), "ζ: how often the first output is another one."] = 0.2
    other: Annotated[
        str, Choice(("true class", "difference", "sum")), "Which one: tandem is the difference, or the sum."
    ] = "difference"
    psi: Annotated[str, Choice(("adaptive", "fixed")), "Whether ψ follows the classification loss."] = "adaptive"
    psi_0: Annotated[float, Range(1e-4, 1e8, log=True), "ψ, or k_ψ0 where it adapts."] = 220.0
    pace: Annotated[float, Range(1e-4, 1, log=True), "k_ψ: how fast ψ adapts."] = 0.02
    better: Annotated[float, Range(0, 10), "ε_better: the fastest rise, where the loss is below its target."] = 1.0
    worse: Annotated[float, Range(0, 10), "ε_worse: the fastest fall, where it is above."] = 0.01
    target: Annotated[float, Range(0.001, 20), "L_target: the classification loss to be kept, below ln V."] = 1.5


class Lipschitz(Term):
    differentiates = True

    def __init__(self, params: LipschitzParams, setting: Setting) -> None:
        if params.outputs > setting.classes:
            raise ParamError(f"outputs = {params.outputs}: the network has {setting.classes} outputs; draw fewer.")
        self.params = params
        self.psi = Psi(params, setting) if params.psi == "adaptive" else None

    def loss(self, seen: Seen) -> Tensor:
        size = torch.stack([self.steepness(gradient) for gradient in self.gradients(seen)]).sum(0)
        psi = self.psi.updated(seen.cross_entropy) if self.psi else self.params.psi_0
        return size * (psi / (self.params.outputs * seen.batch.pixels[0].numel()))

    def gradients(self, seen: Seen) -> list[Tensor]:
        """Of each of the K outputs with respect to the pixels, (n, c, h, w), differentiable."""
        return [
            torch.autograd.grad(output.sum(), seen.batch.pixels, create_graph=True)[0] for output in self.chosen(seen)
        ]

    def chosen(self, seen: Seen) -> list[Tensor]:
        """K outputs (n,) of each picture."""
        logits, params = seen.logits, self.params
        draws = seen.batch.uniform("lipschitz", 1 + logits.shape[1])
        first, *rest = logits.gather(1, draws[:, 1:].argsort(1)[:, : params.outputs]).unbind(1)
        if params.zeta > 0 and seen.batch.labels.ndim == 1:
            first = self.exchanged(seen).where(draws[:, 0] < params.zeta, first)
        return [first, *rest]

    def exchanged(self, seen: Seen) -> Tensor:
        """The output that takes the first one's place."""
        own = pick(seen.logits, seen.batch.labels)
        if self.params.other == "true class":
            return own
        rival = others(seen.logits, seen.batch.labels).amax(1)
        return own - rival if self.params.other == "difference" else own + rival

    def steepness(self, gradient: Tensor) -> Tensor:
        """Σ_j |∂y/∂x_j|^z with its dead zone, times (Σ_l |∂y/∂x_l|)^q; (n,)."""
        flat, params = gradient.flatten(1), self.params
        if params.z == 2 and not params.dead_zone:
            size = flat.square().sum(1)
        else:
            above = (flat.abs() - params.dead_zone).clamp_min(0) if params.dead_zone else flat.abs()
            size = above.pow(params.z).sum(1) if params.z >= 1 or params.z == 0 else (above + TINY).pow(params.z).sum(1)
        return size * flat.abs().sum(1).pow(params.q) if params.q else size

    def numbers(self) -> Mapping[str, float]:
        return {"ψ": self.psi.value} if self.psi else {}

    def state(self) -> dict[str, float]:
        return {"total": self.psi.total} if self.psi else {}

    def restore(self, state: Mapping[str, float]) -> None:
        if self.psi:
            self.psi.total = state["total"]


class Psi:
    """Adaptive ψ (AE, Eq. 15); `total` is the running sum."""

    def __init__(self, params: LipschitzParams, setting: Setting) -> None:
        chance = math.log(max(2, setting.classes))
        if params.target >= chance:
            raise ParamError(
                f"target = {params.target:g}: guessing costs ln {setting.classes} = {chance:.3g}, so "
                "ψ would grow without end; choose a target below it."
            )
        self.params, self.average, self.total = params, setting.average, 0.0

    @property
    def value(self) -> float:
        return self.params.psi_0 * math.exp(min(self.params.pace * self.total, LARGEST_EXPONENT))

    def updated(self, losses: Tensor) -> float:
        """ψ for a batch with these classification losses (n,)."""
        loss = float(self.average(losses.detach().mean()))
        better = -math.log(max(loss, TINY) / self.params.target) if math.isfinite(loss) else 0.0
        self.total = max(0.0, self.total + min(max(better, -self.params.worse), self.params.better))
        return self.value


ROW = TermRow(
    name="lipschitz",
    title="Lipschitz term",
    summary="Keeps the outputs' gradients with respect to the picture small, as far as the classification allows.",
    citation="AE §III-B, Eqs. 9 and 15.",
    params=LipschitzParams,
    build=Lipschitz,
    mixed=False,
    passes=lambda params: 2.0 * params.outputs,  # the gradient, and its own on the way back
)
