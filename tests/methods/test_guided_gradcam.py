"""Guided Grad-CAM is the product of its two parts, from one forward pass."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from explain_core.methods.gradcam import METHOD as GRADCAM
from explain_core.methods.guided_gradcam import METHOD
from explain_core.methods.modified_backward import GUIDED_BACKPROP
from explain_core.models.classifier import Classifier
from tests.methods.closed import asked


@pytest.mark.parametrize("name", ["functional", "in-place", "residual"])
def test_the_product_of_its_parts(name: str, tiny_named: Callable[[str], Classifier], rng: torch.Generator) -> None:
    model = tiny_named(name).double()
    x, target = torch.rand(3, 3, 16, 16, generator=rng, dtype=torch.float64), torch.tensor([0, 1, 4])
    passes = []
    handle = model.net.register_forward_hook(lambda *_: passes.append(1))
    found = asked(METHOD, model, x, target)
    handle.remove()
    assert len(passes) == 1
    guided, coarse = (asked(part, model, x, target).saliency for part in (GUIDED_BACKPROP, GRADCAM))
    assert coarse.any()
    assert torch.allclose(found.saliency, guided * coarse, rtol=1e-9, atol=1e-12)


def test_a_signed_sum_and_a_named_layer(tiny: Classifier, rng: torch.Generator) -> None:
    model, x, target = tiny.double(), torch.rand(2, 3, 16, 16, generator=rng).double(), torch.tensor([3, 3])
    found = asked(METHOD, model, x, target, layer="first", channels="sum")
    guided = asked(GUIDED_BACKPROP, model, x, target, channels="sum").saliency
    coarse = asked(GRADCAM, model, x, target, layer="first").saliency
    assert torch.allclose(found.saliency, guided * coarse, rtol=1e-9, atol=1e-12)
