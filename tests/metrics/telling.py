"""Maps made by hand where a method's would stand, so that a metric's figure is known beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain_core.models.classifier import Classifier
from explain_core.records import Answer, Floats, Provenance


class Telling:
    """An `Ask` that gives its answers in turn, over and over; `asked` keeps the (pixels, target, method, knobs)."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.asked = answers, list[tuple[Floats, int, str | None, Mapping[str, Any] | None]]()

    def __call__(
        self,
        pixels: Sequence[Floats],
        targets: Sequence[int],
        *,
        method: str | None = None,
        knobs: Mapping[str, Any] | None = None,
        model: Classifier | None = None,
    ) -> list[Answer]:
        given = []
        for picture, target in zip(pixels, targets, strict=True):
            given.append(self.answers[len(self.asked) % len(self.answers)])
            self.asked.append((picture, target, method, knobs))
        return given


def answer(
    saliency: NDArray[Any],
    *,
    x: NDArray[Any] | None = None,
    perturbed: NDArray[Any] | None = None,
    before: Sequence[float] = (1.0, 0.0),
    after: Sequence[float] | None = None,
    mask: NDArray[np.bool_] | None = None,
    target: int = 0,
) -> Answer:
    saliency = np.asarray(saliency, dtype=np.float32)
    return Answer(
        input=np.zeros((1, *saliency.shape), np.float32) if x is None else np.asarray(x, dtype=np.float32),
        saliency=saliency,
        before=np.asarray(before, dtype=np.float32),
        outcome="By hand.",
        provenance=Provenance("hand", 1, {}, "none", "", "", target, "", None, 0, 0.0, 0.0, "cpu"),
        perturbed=None if perturbed is None else np.asarray(perturbed, dtype=np.float32),
        after=None if after is None else np.asarray(after, dtype=np.float32),
        mask=mask,
    )
