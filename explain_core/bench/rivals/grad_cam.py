"""pytorch-grad-cam's two methods that are ours too; it scales each map to [0, 1], so ours is scaled to compare."""

from __future__ import annotations

from functools import partial
from importlib import import_module

import numpy as np
import torch
from numpy.typing import NDArray

from explain_core.bench.rivals.base import Asked, Rival, Ways, layer_of, module, out_of_place, relative
from explain_core.types import Explanation


def cam(kind: str, asked: Asked) -> Ways:
    """Parameters stay as they were loaded: with frozen ones it finds nothing to differentiate."""
    out_of_place(asked.model)
    x, targets = asked.question.images, asked.question.target.tolist()
    target = import_module(f"{module('grad-cam').__name__}.utils.model_targets").ClassifierOutputTarget
    explainer = getattr(module("grad-cam"), kind)(model=asked.model, target_layers=[layer_of(asked)])
    return {"": partial(explainer, x, targets=[target(index) for index in targets])}


def same_when_scaled(_: Asked, ours: Explanation, theirs: NDArray[np.float32]) -> dict[str, float]:
    low, high = (edge(ours.saliency.flatten(1), 1).view(-1, 1, 1) for edge in (torch.amin, torch.amax))
    scaled = (ours.saliency - low) / (high - low).clamp_min(torch.finfo(low.dtype).tiny)
    return relative(scaled, torch.from_numpy(theirs).to(scaled))


RIVALS = (
    Rival("gradcam", "grad-cam", "GradCAM", partial(cam, "GradCAM"), same_when_scaled),
    Rival("gradcam-plus-plus", "grad-cam", "GradCAMPlusPlus", partial(cam, "GradCAMPlusPlus"), same_when_scaled),
)
