"""Noise on the pictures that a network learns from.

gaussian-noise      x + σ·N(0, 1), in pixel space (AE §III-B: σ 0.05, 0.25)
noise-modulation    x · N·c²/C0 with C0 = Σ c² and the carrier c = β + (1 − β)·δ (NM, Defs. 1 and 2), on the
                    *normalised* input; the factor's sum is N whatever the carrier; β = 1 is standard training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from torch import Tensor

from explain_core.models.classifier import Classifier
from explain_core.params import Choice, Params, Range
from explain_core.training.batch import Batch
from explain_core.training.terms.base import Setting, Term, TermRow

Draw = Callable[[torch.Size, torch.Generator], Tensor]


def _gaussian(shape: torch.Size, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator)


def _uniform(shape: torch.Size, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator)


def _exponential(shape: torch.Size, generator: torch.Generator) -> Tensor:
    return torch.empty(shape).exponential_(generator=generator)


def _laplace(shape: torch.Size, generator: torch.Generator) -> Tensor:
    return _exponential(shape, generator) - _exponential(shape, generator)


def _rayleigh(shape: torch.Size, generator: torch.Generator) -> Tensor:
    return (2 * _exponential(shape, generator)).sqrt()


NOISES: Mapping[str, Draw] = {
    "gaussian": _gaussian,  # N(0, 1)
    "uniform": _uniform,  # [0, 1]
    "laplace": _laplace,  # Laplace(0, 1), the difference of two exponential(1)
    "gamma": _exponential,  # gamma(1, 1) is exponential(1)
    "exponential": _exponential,
    "rayleigh": _rayleigh,  # Rayleigh(1), √(2·exponential(1))
}


@dataclass(frozen=True)
class GaussianParams(Params):
    sigma: Annotated[float, Range(0, 1, 0.01), "σ of the noise, pixels in [0, 1]."] = 0.05


class GaussianNoise(Term):
    def __init__(self, params: GaussianParams, setting: Setting) -> None:
        self.sigma = params.sigma

    def prepare(self, batch: Batch, model: Classifier) -> Batch:
        noise = drawn(batch, _gaussian, "gaussian-noise")
        return batch.perturbed(batch.pixels + self.sigma * noise)


@dataclass(frozen=True)
class ModulationParams(Params):
    beta: Annotated[float, Range(0, 1, 0.05), "β: 0.5 for the best interpretability, 0.8 keeps accuracy."] = 0.5
    noise: Annotated[str, Choice(tuple(NOISES)), "The noise δ of the carrier."] = "gaussian"
    fresh: Annotated[bool, "A new carrier for each picture in each epoch, or the same in all."] = True


class NoiseModulation(Term):
    def __init__(self, params: ModulationParams, setting: Setting) -> None:
        self.params = params

    def prepare(self, batch: Batch, model: Classifier) -> Batch:
        keyed = batch if self.params.fresh else replace(batch, epoch=0)
        carrier = self.params.beta + (1 - self.params.beta) * drawn(
            keyed, NOISES[self.params.noise], "noise-modulation"
        )
        factor = modulation(carrier)
        return replace(batch, factor=factor if batch.factor is None else batch.factor * factor)


def modulation(carrier: Tensor) -> Tensor:
    """N·c²/C0 of carriers (n, c, h, w), whose sum over each picture is N; 1 where a carrier is zero."""
    energy = carrier.square()
    total = energy.flatten(1).sum(1).view(-1, 1, 1, 1)
    count = carrier[0].numel()
    return (energy * (count / total)).where(total > 0, torch.ones_like(energy))


def drawn(batch: Batch, draw: Draw, purpose: str) -> Tensor:
    """Noise of the shape of the batch's pictures, each from a generator of its own."""
    shape = batch.pixels.shape[1:]
    return torch.stack([draw(shape, own) for own in batch.generators(purpose)]).to(batch.pixels)


GAUSSIAN = TermRow(
    name="gaussian-noise",
    title="Gaussian noise",
    summary="Noise on every picture.",
    citation="AE §III-B.",
    params=GaussianParams,
    build=GaussianNoise,
)

MODULATION = TermRow(
    name="noise-modulation",
    title="Noise modulation",
    summary="Multiplies the input by a random carrier's energy, so that the network cannot rely on single pixels.",
    citation="Li & Wang, Noise modulation, Defs. 1 and 2.",
    params=ModulationParams,
    build=NoiseModulation,
)
