"""LIME (Ribeiro, Singh & Guestrin 2016): a linear model of the class over superpixels, near the picture.

Superpixels by SLIC (Achanta et al. 2012); N times each is hidden with probability 1/2; the class's probability
is fitted by ridge regression on which of the K superpixels were seen, z ∈ {0, 1}^K, with weights

    π(z) = exp(−D² / width²)^½,   D = 1 − cos(z, 1) = 1 − √(share seen),

and S is each superpixel's coefficient.  The first sample is the picture itself.  R² says how much of the
network's behaviour the linear model tells.  One forward pass a sample.

Departures: SLIC where the authors' code has quickshift, because the number of superpixels can be asked for;
all coefficients are shown, not a chosen few.  As in their code, a hidden superpixel shows its mean colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from explain_core.methods.base import FEW_PICTURES, Method
from explain_core.methods.masked import FILLS, MaskedParams, fill_of, memory, passes_of, score_of
from explain_core.methods.pixels import told
from explain_core.models.classifier import Classifier
from explain_core.params import Choice, Range
from explain_core.sampling import Stream, Tally, accumulate, generators
from explain_core.types import Explanation, Images, Question, Working

Numbers = NDArray[np.float64]
SEGMENT = "segment"


@dataclass(frozen=True)
class LimeParams(MaskedParams):
    fill: Annotated[
        str, Choice((SEGMENT, *FILLS)), "What hides a superpixel; segment is its own mean colour, as published."
    ] = SEGMENT
    samples: Annotated[int, Range(10, 10_000, 10, unit="samples"), "N: forward passes, besides one of the picture."] = (
        1000
    )
    segments: Annotated[int, Range(2, 500, 1), "Superpixels asked of SLIC; there may be fewer."] = 50
    compactness: Annotated[
        float, Range(0.01, 100, log=True), "How square superpixels are; low values follow the colours."
    ] = 10.0
    width: Annotated[float, Range(0.05, 10, log=True), "Width of the kernel: how near the picture is near."] = 0.25
    ridge: Annotated[float, Range(0, 100), "Weight of the squared coefficients; 0 is least squares."] = 1.0
    precision: Annotated[
        float, Range(0, 0.5, 0.01, unit="of the coefficients' range"), "Ends at this standard error; 0 uses all."
    ] = 0.0


@dataclass(frozen=True)
class Fit:
    """A weighted linear model: coefficients (k,), their standard errors (k,), and R² in (−∞, 1]."""

    coefficients: Numbers
    errors: Numbers
    r2: float

    @property
    def error(self) -> tuple[float, float]:
        """Standard error, root mean square over coefficients; and as a share of the coefficients' range."""
        error, extent = float(np.sqrt(np.square(self.errors).mean())), float(np.ptp(self.coefficients))
        return error, error / extent if extent > 0 else np.inf


def run(model: Classifier, question: Question, params: LimeParams) -> Working:
    """Yields a step after each pass of samples."""
    x = question.images
    maps = [superpixels(picture, params) for picture in x]
    seen = [
        draw(source, params.samples, int(segments.max()) + 1)
        for source, segments in zip(generators(question, "lime"), maps, strict=True)
    ]

    def masks(row: int, start: int, stop: int) -> Tensor:
        return seen[row][start:stop].to(x)[:, maps[row].flatten()].view(-1, *x.shape[2:])

    def fitted(row: int, tally: Tally) -> Fit:
        return fit(seen[row][: tally.count].numpy(), tally.scores.cpu().numpy(), params)

    stream = Stream(
        count=params.samples,
        masks=masks,
        fill=hidden(model, x, maps, params.fill),
        score=score_of(model, params),
        bfloat16=params.bfloat16,
        errors=False,
        weights=lambda masks: masks,
        estimate=lambda tally: tally.ratio,
        enough=lambda row, tally: params.precision > 0 and fitted(row, tally).error[1] <= params.precision,
    )
    before, tallies = yield from accumulate(model, question, stream)
    fits = [fitted(row, tally) for row, tally in enumerate(tallies)]
    saliency = torch.stack(
        [torch.from_numpy(found.coefficients).to(x)[segments] for found, segments in zip(fits, maps, strict=True)]
    )
    text = f"What each superpixel adds to the class's {params.objective}, in a linear model near the picture"
    return Explanation(
        saliency=saliency,
        before=before,
        outcomes=tuple(
            text if text.startswith("Empty") else f"{text}: R² {found.r2:.2f} over {tally.count} samples{weak(found)}."
            for text, found, tally in zip(told(saliency, text), fits, tallies, strict=True)
        ),
        passes=passes_of(tallies, params),
        numbers={
            "r2": x.new_tensor([found.r2 for found in fits]),
            "superpixels": x.new_tensor([len(found.coefficients) for found in fits]),
            "standard error": x.new_tensor([found.error[0] for found in fits]),
            "samples": x.new_tensor([tally.count for tally in tallies]),
        },
    )


def superpixels(picture: Tensor, params: LimeParams) -> Tensor:
    """(h, w) int64 from 0 without gaps, on the picture's device; by SLIC, which draws nothing at random."""
    from skimage.segmentation import slic  # slow to import, and needed by this method alone

    found = slic(
        picture.detach().cpu().double().expand(3, -1, -1).numpy(),  # grey as colour, so that compactness means the same
        n_segments=params.segments,
        compactness=params.compactness,
        channel_axis=0,
        start_label=0,
    )
    _, numbers = np.unique(found, return_inverse=True)
    return torch.from_numpy(numbers.reshape(found.shape)).to(picture.device)


def draw(source: torch.Generator, samples: int, count: int) -> Tensor:
    """(samples, count) bool: which superpixels are seen; the first sample is the picture itself."""
    seen = torch.rand(samples, count, generator=source, dtype=torch.float64) < 0.5
    seen[0] = True
    return seen


def hidden(model: Classifier, x: Images, maps: list[Tensor], name: str) -> Images:
    """What shows where a superpixel is hidden, as whole pictures."""
    return (
        torch.stack([flat(*pair) for pair in zip(x, maps, strict=True)]) if name == SEGMENT else fill_of(model, x, name)
    )


def flat(picture: Tensor, segments: Tensor) -> Tensor:
    """Each superpixel in its mean colour."""
    where, values = segments.flatten(), picture.flatten(1)
    sizes = torch.bincount(where).to(values)
    return (values.new_zeros(len(values), len(sizes)).index_add(1, where, values) / sizes)[:, segments]


def fit(seen: NDArray[np.bool_], scores: Numbers, params: LimeParams) -> Fit:
    """Weighted ridge regression of scores (n,) on seen (n, k), with an intercept that is not held down.

    Where the samples do not tell superpixels apart, the shortest solution; zeros before there are two.
    """
    z = seen.astype(np.float64)
    count = z.shape[1]
    if len(z) < 2:
        return Fit(np.zeros(count), np.zeros(count), 0.0)
    distance = 1 - np.sqrt(z.mean(1))
    weights = np.exp(-np.square(distance) / (2 * params.width**2))
    share = weights / weights.sum()
    z, y = z - share @ z, scores - share @ scores
    inverse = np.linalg.pinv(z.T @ (weights[:, None] * z) + params.ridge * np.eye(count), 1e-10, hermitian=True)
    coefficients = inverse @ (z.T @ (weights * y))
    rest = y - z @ coefficients
    unexplained, total = weights @ np.square(rest), weights @ np.square(y)
    # The scatter of the estimate itself: samples are weighted, so their errors are not those of equal ones.
    influence = inverse @ (z * (weights * rest)[:, None]).T
    return Fit(coefficients, np.sqrt(np.square(influence).sum(1)), float(1 - unexplained / total) if total > 0 else 0.0)


def weak(found: Fit) -> str:
    return "; the linear model tells less than half of what the network does" if found.r2 < 0.5 else ""


def cost(params: LimeParams) -> float:
    return (params.samples + 1) / 2


METHOD = Method(
    name="lime",
    title="LIME",
    summary="What each superpixel adds to the class, in a linear model near the picture.",
    citation="Ribeiro, Singh & Guestrin, Why Should I Trust You?, KDD 2016.",
    run=run,
    params=LimeParams,
    rho="none",
    cost=cost,
    memory=memory,
    least=lambda _: FEW_PICTURES,
    limits="As coarse as its superpixels; a network is seldom linear in them, and R² says how far.",
    prepared=True,
)
