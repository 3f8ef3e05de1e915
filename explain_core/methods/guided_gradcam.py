"""Guided Grad-CAM (Selvaraju et al. 2017, §3.2): guided backprop where Grad-CAM speaks for the class.

Per channel, g_k ⊙ S: the guided gradient of the class logit times Grad-CAM, enlarged bilinearly; then one value
a pixel as for the gradient.  Both come out of one forward pass: the way back to the layer is the ordinary one,
the way back to the pixels follows the guided rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from explain_core.backward.rectifiers import Rectifying
from explain_core.errors import CannotExplain
from explain_core.hooks import maps_of
from explain_core.methods import gradcam, modified_backward
from explain_core.methods.base import Method
from explain_core.methods.gradient import one_pass
from explain_core.methods.pixels import PixelParams, flatten_channels, score_of
from explain_core.models.classifier import Classifier
from explain_core.models.prepared import unshifted
from explain_core.params import AUTO, Pattern
from explain_core.types import Explanation, Images, Logits, Passes, Question, Working


@dataclass(frozen=True)
class GuidedGradCamParams(PixelParams):
    layer: Annotated[
        str,
        Pattern(r"[\w.]+", "a layer's name, such as 'layer4', or 'auto'"),
        "Grad-CAM's layer; auto is the last convolution that still has a map.",
    ] = AUTO


def run(model: Classifier, question: Question, params: GuidedGradCamParams) -> Working:
    """Yields no step, because there is only one."""
    if reason := cannot(model):
        raise CannotExplain(f"Guided Grad-CAM cannot explain {model.spec}, because {reason}")
    name, coarse, guided, logits = both(model, question, params)
    saliency = flatten_channels(guided * gradcam.enlarged(coarse, question.images)[:, None], params)
    return Explanation(
        saliency=saliency,
        before=logits,
        outcomes=tuple(gradcam.outcome(row, name) for row in coarse),
        passes=(Passes(1, 1),) * len(logits),
    )
    yield  # makes this a generator, like every method


def both(model: Classifier, question: Question, params: GuidedGradCamParams) -> tuple[str, Tensor, Images, Logits]:
    """Grad-CAM's layer and its map (n, 1, h', w'), the guided gradient, and the logits."""
    x = question.images.detach().requires_grad_()
    layers = gradcam.candidates(model, params.layer, x)
    with torch.enable_grad(), Rectifying("ordinary") as rule, maps_of(model.net, layers, cut=False) as maps:
        logits = model(x)
    name, layer = gradcam.chosen(model, maps, params.layer, x)
    score = score_of(model, params)(logits, question.target).sum()
    (at_layer,) = torch.autograd.grad(score, layer, retain_graph=True)
    rule.rule = "guided"
    (guided,) = torch.autograd.grad(score, x)
    coarse = gradcam.weighted(
        unshifted(model.net.get_submodule(name), layer.detach()), at_layer.mean(dim=(2, 3), keepdim=True)
    )
    return name, coarse, guided, logits.detach()


def cannot(model: Classifier) -> str | None:
    """Grad-CAM's reason, or guided backprop's, or None."""
    return modified_backward.cannot(model) or gradcam.cannot(model)


METHOD = Method(
    name="guided-gradcam",
    title="Guided Grad-CAM",
    summary="Guided backprop where the last convolution speaks for the class.",
    citation="Selvaraju et al., Grad-CAM, ICCV 2017, §3.2.",
    run=run,
    params=GuidedGradCamParams,
    rho="none",
    cost=one_pass,
    cannot=cannot,
    limits="The detail is guided backprop's, and as little the class's own; the region is Grad-CAM's.",
    prepared=True,
)
