"""pytorch-grad-cam's two methods that are ours too; it scales each map to [0, 1], so ours is scaled to compare."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from explain_core.bench.rivals.base import Rival, Ways, layer_of, module, out_of_place, relative
from explain_core.methods.gradcam import GradCamParams
from explain_core.models.classifier import Classifier
from explain_core.types import Explanation, Question


def cam(kind: str, model: Classifier, question: Question, params: GradCamParams) -> Ways:
    """Parameters stay as they were loaded: with frozen ones it finds nothing to differentiate."""
    out_of_place(model)
    layer = layer_of(model, question, params.layer)
    target = import_module(f"{module('grad-cam').__name__}.utils.model_targets").ClassifierOutputTarget
    asked = getattr(module("grad-cam"), kind)(model=model, target_layers=[layer])
    return {"": partial(asked, question.images, targets=[target(index) for index in question.target.tolist()])}


def same_when_scaled(ours: Explanation, theirs: NDArray[np.float32], _: Any) -> dict[str, float]:
    low, high = (edge(ours.saliency.flatten(1), 1).view(-1, 1, 1) for edge in (torch.amin, torch.amax))
    scaled = (ours.saliency - low) / (high - low).clamp_min(torch.finfo(low.dtype).tiny)
    return relative(scaled, torch.from_numpy(theirs).to(scaled))


RIVALS = (
    Rival("gradcam", "grad-cam", "GradCAM", partial(cam, "GradCAM"), same_when_scaled),
    Rival("gradcam-plus-plus", "grad-cam", "GradCAMPlusPlus", partial(cam, "GradCAMPlusPlus"), same_when_scaled),
)
