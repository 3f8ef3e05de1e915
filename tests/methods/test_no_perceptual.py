"""Without its perceptual term the ball is what holding no activation still makes it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from explain_core import explain
from explain_core.models.classifier import Classifier


def test_it_is_the_ball_with_no_weight_on_activations(tiny: Classifier, rng: torch.Generator) -> None:
    x = torch.rand(2, 3, 16, 16, generator=rng)
    for rho in ("none", 0.05):
        ours = explain(tiny, x, method="no-perceptual", rho=rho, steps=20)
        ball = explain(tiny, x, method="perceptual-ball", rho=rho, steps=20, layers="none")
        for one, other in zip(ours, ball, strict=True):
            assert np.array_equal(one.saliency, other.saliency)
            assert one.numbers == pytest.approx(dict(other.numbers))
