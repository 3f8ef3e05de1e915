"""Occlusion: a linear network's drops by hand, the paper's grids, and captum."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from explain_core.engine.lending import lend
from explain_core.errors import ParamError
from explain_core.methods.masked import fill_of
from explain_core.methods.occlusion import METHOD, OcclusionParams, starts
from explain_core.models.classifier import Classifier, pick
from tests.methods.closed import SIDE, asked, linear, pictures

TARGET = torch.tensor([2, 0, 2])


def by_hand(contribution: Tensor, patch: int, stride: int) -> Tensor:
    """Of a network that is a sum over pixels: patch sums, averaged over the patches that cover a pixel."""
    total, cover = torch.zeros(2, *contribution.shape, dtype=contribution.dtype)
    for top in starts(SIDE, patch, stride).tolist():
        for left in starts(SIDE, patch, stride).tolist():
            part = (..., slice(top, top + patch), slice(left, left + patch))
            total[part] += contribution[part].sum((1, 2), keepdim=True)
            cover[part] += 1
    return total / cover


@pytest.mark.parametrize(("patch", "stride"), [(1, 1), (2, 1), (3, 2), (4, 4), (6, 1)])
@pytest.mark.parametrize("fill", ["mean", "black", "grey", "white", "blur"])
def test_a_linear_network_loses_what_the_patch_covers(patch: int, stride: int, fill: str) -> None:
    model, weights = linear()
    x = pictures()
    contribution = ((x - fill_of(model, x, fill)) * weights.double()[TARGET]).sum(1)
    found = asked(METHOD, model, x, TARGET, objective="logit", patch=patch, stride=stride, fill=fill)
    assert torch.allclose(found.saliency, by_hand(contribution, patch, stride), rtol=1e-9, atol=1e-9)
    assert {passes.forward for passes in found.passes} == {len(starts(SIDE, patch, stride)) ** 2 + 1}


def test_the_probability_is_scored_by_default() -> None:
    model, _ = linear()
    x, target = pictures(1), torch.tensor([1])
    found = asked(METHOD, model, x, target, patch=SIDE)
    with torch.no_grad():
        drop = model(x).softmax(1)[0, 1] - model(torch.full_like(x, 0.5)).softmax(1)[0, 1]
    assert torch.allclose(found.saliency, drop.expand(1, SIDE, SIDE), rtol=1e-9)


def test_the_grids_of_the_stability_metric() -> None:
    """32 × 32: patch 4 every 2 gives 15², patch 2 every 2 gives 16²; auto on 224 is 32 every 16."""
    assert len(starts(32, 4, 2)) == 15
    assert len(starts(32, 2, 2)) == 16
    assert OcclusionParams().grid(224, 300) == (32, 16)
    assert OcclusionParams().grid(4, 4) == (1, 1)
    assert OcclusionParams(patch=512).grid(16, 20) == (16, 1)
    assert OcclusionParams(stride=512).grid(28, 28) == (4, 4)
    with pytest.raises(ParamError, match=r"stride = 3: it must be at most patch = 2"):
        OcclusionParams(patch=2, stride=3)


@pytest.mark.parametrize("stride", [2, 3])
def test_it_is_captums(stride: int, tiny: Classifier, rng: torch.Generator) -> None:
    """Where the stride does not meet the edge too; captum covers with one value for all channels as well."""
    captum = pytest.importorskip("captum.attr", reason="captum is not installed")
    x, target = torch.rand(2, 3, 16, 16, generator=rng), torch.tensor([1, 3])
    found = asked(METHOD, tiny, x, target, objective="logit", patch=4, stride=stride)
    with lend(tiny), torch.no_grad():
        theirs = captum.Occlusion(lambda pictures, labels: pick(tiny(pictures), labels)).attribute(
            x, (3, 4, 4), strides=(3, stride, stride), baselines=0.5, additional_forward_args=(target,)
        )[:, 0]
    assert float((found.saliency - theirs).abs().max() / theirs.abs().max()) < 1e-4
    assert F.cosine_similarity(found.saliency.flatten(1), theirs.flatten(1)).min() > 0.9999
