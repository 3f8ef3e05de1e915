"""What stands between a metric and whoever explains: memory, counting, enlarging and blurring.

The metrics of one chunk share its answers, so that a method explains a picture once for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from explain_core.data.images import image_key
from explain_core.methods.smoothing import gaussian
from explain_core.metrics.base import Ask
from explain_core.models.classifier import Classifier
from explain_core.params import fingerprint
from explain_core.records import Answer, Floats


class Remembering:
    """An `Ask` that answers a question it has heard before from memory.

    A question is remembered as a whole, with all its pictures, so that what was asked before never
    changes the batches of what comes later.  `own` tells the subject's method and knobs, under which
    questions that name no method are kept.
    """

    def __init__(self, ask: Ask, memory: dict[str, list[Answer]], own: str) -> None:
        self._ask, self._memory, self._own = ask, memory, own

    def __call__(
        self,
        pixels: Sequence[Floats],
        targets: Sequence[int],
        *,
        method: str | None = None,
        knobs: Mapping[str, Any] | None = None,
        model: Classifier | None = None,
    ) -> list[Answer]:
        if model is not None:
            return self._ask(pixels, targets, method=method, knobs=knobs, model=model)
        keys = [image_key(picture) for picture in pixels]
        asked = self._own if method is None else (method, dict(knobs or {}))
        key = fingerprint(keys, [int(target) for target in targets], asked)
        if key not in self._memory:
            self._memory[key] = self._ask(pixels, targets, method=method, knobs=knobs)
        return self._memory[key]


class Counting:
    """An `Ask` that adds up the passes behind the answers it gives, remembered ones included.

    So an arm's passes are what it would cost alone, however a run was cut up.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask, self.units = ask, 0.0

    def __call__(
        self,
        pixels: Sequence[Floats],
        targets: Sequence[int],
        *,
        method: str | None = None,
        knobs: Mapping[str, Any] | None = None,
        model: Classifier | None = None,
    ) -> list[Answer]:
        answers = self._ask(pixels, targets, method=method, knobs=knobs, model=model)
        self.units += sum(answer.provenance.units for answer in answers)
        return answers


class Enlarged:
    """An `Ask` that enlarges pictures before they are explained and brings maps back to their size.

    Both bilinear (PB, Table 3: 1.5 ×); whatever else an answer holds stays at the enlarged size.
    """

    def __init__(self, ask: Ask, scale: float) -> None:
        self._ask, self._scale = ask, scale

    def __call__(
        self,
        pixels: Sequence[Floats],
        targets: Sequence[int],
        *,
        method: str | None = None,
        knobs: Mapping[str, Any] | None = None,
        model: Classifier | None = None,
    ) -> list[Answer]:
        larger = [self._resized(picture, _times(picture, self._scale)) for picture in pixels]
        answers = self._ask(larger, targets, method=method, knobs=knobs, model=model)
        return [
            replace(answer, saliency=self._resized(answer.saliency[None], picture.shape[1:])[0])
            for answer, picture in zip(answers, pixels, strict=True)
        ]

    @staticmethod
    def _resized(planes: Floats, size: Sequence[int]) -> Floats:
        tensor = torch.from_numpy(np.array(planes))[None]
        resized: Floats = F.interpolate(tensor, size=tuple(size), mode="bilinear", align_corners=False)[0].numpy()
        return resized


class Blurred:
    """An `Ask` whose maps are blurred after the answer, with σ in pixels; 0 leaves them as they are.

    Standing before what is remembered, it lets arms that differ in their blur share one solution.
    """

    def __init__(self, ask: Ask, sigma: float) -> None:
        self._ask, self._sigma = ask, sigma

    def __call__(
        self,
        pixels: Sequence[Floats],
        targets: Sequence[int],
        *,
        method: str | None = None,
        knobs: Mapping[str, Any] | None = None,
        model: Classifier | None = None,
    ) -> list[Answer]:
        answers = self._ask(pixels, targets, method=method, knobs=knobs, model=model)
        if not self._sigma:
            return answers
        return [replace(answer, saliency=self._blurred(answer.saliency)) for answer in answers]

    def _blurred(self, saliency: Floats) -> Floats:
        blurred: Floats = gaussian(torch.from_numpy(np.array(saliency))[None], self._sigma)[0].numpy()
        return blurred


def _times(picture: Floats, scale: float) -> tuple[int, int]:
    return round(picture.shape[1] * scale), round(picture.shape[2] * scale)
