"""What stands before an `Ask`: a solution is shared by arms that only blur its map differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from explain_core.engine.library import hold
from explain_core.evaluation.asking import Asking
from explain_core.evaluation.remember import Blurred, Counting, Remembering
from explain_core.methods import METHODS
from explain_core.models.classifier import Classifier
from explain_core.records import Answer, Floats

KNOBS = {"steps": 5, "layers": "none"}


def test_a_blur_after_the_answer_is_the_methods_own(tiny: Classifier, rng: torch.Generator) -> None:
    held = hold(tiny, "tiny", torch.device("cpu"), METHODS)
    pixels = list(torch.rand(2, 3, 16, 16, generator=rng).numpy())
    asked, memory = [], dict[str, list[Answer]]()

    def ask(pixels: Sequence[Floats], targets: Sequence[int], **more: Any) -> list[Answer]:
        asked.append(len(pixels))
        return Asking(held, "perceptual-ball", knobs={**KNOBS, "blur": 0.0})(pixels, targets, **more)

    for sigma in (0.0, 1.0, 2.5):
        own = Asking(held, "perceptual-ball", knobs={**KNOBS, "blur": sigma})(pixels, [0, 1])
        counted = Counting(Blurred(Remembering(ask, memory, "own"), sigma))
        for after, inside in zip(counted(pixels, [0, 1]), own, strict=True):
            np.testing.assert_allclose(after.saliency, inside.saliency, rtol=1e-6, atol=1e-12)
        assert counted.units == sum(answer.provenance.units for answer in own)
    assert asked == [2]
