"""What a demo network can do, and where it looks, measured on phantoms that its training never saw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from explain_core.api import explain
from explain_core.data.phantom import Phantom, phantom
from explain_core.models.classifier import Classifier

UNSEEN = 10_000_000
"""Training draws phantoms from seeds below this, measuring from here on."""


@dataclass(frozen=True)
class Figures:
    """Measured on `films` and, for Grad-CAM, on `positives` other phantoms of 256 × 256.

    `auc` where the lead ring is as in training: absent, or announcing every lesion for the shortcut's
    network; `auc_misled` with the ring on the normal films only.  `pointing` is the share of positives
    (without a ring) whose maximum of Grad-CAM lies within a lesion's exact mask; `chance` the mean share
    of the breast that lesions cover.  `on_marker` is the share of positives with a ring whose maximum
    lies on it.  `largest_logit` is the largest |logit| met.
    """

    films: int
    positives: int
    auc: float
    auc_misled: float
    pointing: float
    chance: float
    on_marker: float
    largest_logit: float


def measure(model: Classifier, *, shortcut: bool, films: int = 400, positives: int = 100) -> Figures:
    """The figures of a demo classifier; `shortcut` says which kind of films it was made for."""
    labels = np.arange(films) % 2
    seeds = [(UNSEEN + i, int(label)) for i, label in enumerate(labels)]
    usual = logits(model, [phantom(seed, label=label, shortcut=shortcut) for seed, label in seeds])
    misled = logits(model, [phantom(seed, label=label, marker=label == 0) for seed, label in seeds])
    others = range(UNSEEN + films, UNSEEN + films + positives)
    plain = [phantom(seed, label=1) for seed in others]
    marked = [phantom(seed, label=1, marker=True) for seed in others]
    return Figures(
        films=films,
        positives=positives,
        auc=auc(usual, labels),
        auc_misled=auc(misled, labels),
        pointing=_share(film.lesion[peak] for film, peak in zip(plain, peaks(model, plain), strict=True)),
        chance=_share(film.lesion.sum() / film.breast.sum() for film in plain),
        on_marker=_share(film.marker[peak] for film, peak in zip(marked, peaks(model, marked), strict=True)),
        largest_logit=float(np.abs([usual, misled]).max()),
    )


def _share(values: Iterable[float]) -> float:
    return round(float(np.mean(list(values))), 4)


@torch.no_grad()
def logits(model: Classifier, films: Sequence[Phantom]) -> NDArray[np.float32]:
    """The network's one logit, film by film: the log-odds of `lesion`."""
    target = torch.tensor([model.class_index("lesion")])
    pixels = (torch.from_numpy(film.pixels)[None, None] for film in films)
    return np.array([float(model.log_odds(model(x), target)) for x in pixels], np.float32)


def peaks(model: Classifier, films: Sequence[Phantom]) -> list[tuple[int, int]]:
    """(row, column) of the maximum of Grad-CAM for `lesion`, film by film."""
    answers = explain(model, [film.pixels[None] for film in films], method="gradcam", target="lesion")
    maxima = [np.unravel_index(answer.saliency.argmax(), answer.saliency.shape) for answer in answers]
    return [(int(row), int(column)) for row, column in maxima]


def auc(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties counting a half."""
    lead = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    return round(float(np.mean(lead > 0) + np.mean(lead == 0) / 2), 4)
