"""captum's methods, with the parameters of ours, as its tutorials call them.

Its rules for rectifiers need modules, which do not work in place.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from explain_core.bench.rivals.base import Rival, Scored, Ways, correlation, layer_of, module, out_of_place, relative
from explain_core.methods import masked, pixels
from explain_core.methods.gradcam import GradCamParams
from explain_core.methods.guided_gradcam import GuidedGradCamParams
from explain_core.methods.integrated_gradients import IntegratedGradientsParams
from explain_core.methods.occlusion import OcclusionParams
from explain_core.methods.smoothgrad import SmoothGradParams
from explain_core.models.classifier import Classifier
from explain_core.types import Explanation, Question

AT_ONCE = (1, 8)
"""Steps or copies a pass that are tried beside captum's default, all at once."""


def grad_cam(model: Classifier, question: Question, params: GradCamParams) -> Ways:
    attr, size = module("captum"), question.images.shape[2:]
    asked = attr.LayerGradCam(model, layer_of(model, question, params.layer))

    def way() -> Tensor:
        coarse = asked.attribute(question.images, target=question.target, relu_attributions=True)
        found: Tensor = attr.LayerAttribution.interpolate(coarse, tuple(size), "bilinear")[:, 0]
        return found

    return {"": way}


def guided_grad_cam(model: Classifier, question: Question, params: GuidedGradCamParams) -> Ways:
    out_of_place(model)
    scored = Scored(model, pixels.score_of(model, params))
    asked = module("captum").GuidedGradCam(scored, layer_of(model, question, params.layer))
    return {"": partial(asked.attribute, question.images, None, question.target, interpolate_mode="bilinear")}


def backprop(kind: str, model: Classifier, question: Question, params: pixels.PixelParams) -> Ways:
    out_of_place(model)
    asked = getattr(module("captum"), kind)(Scored(model, pixels.score_of(model, params)))
    return {"": partial(asked.attribute, question.images, additional_forward_args=question.target)}


def gradient(model: Classifier, question: Question, params: pixels.PixelParams) -> Ways:
    asked = module("captum").Saliency(Scored(model, pixels.score_of(model, params)))
    return {"": partial(asked.attribute, question.images, abs=False, additional_forward_args=question.target)}


def smoothgrad(model: Classifier, question: Question, params: SmoothGradParams) -> Ways:
    """Its noise is other noise, with one deviation for the whole batch."""
    attr, x = module("captum"), question.images
    spread = params.noise * float((x.amax((1, 2, 3)) - x.amin((1, 2, 3))).mean())
    asked = partial(
        attr.NoiseTunnel(attr.Saliency(Scored(model, pixels.score_of(model, params)))).attribute,
        x,
        nt_type="smoothgrad_sq" if params.squared else "smoothgrad",
        nt_samples=params.samples,
        stdevs=spread,
        abs=False,
        additional_forward_args=question.target,
    )
    ways = {f"nt_samples_batch_size={count}": partial(asked, nt_samples_batch_size=count) for count in AT_ONCE}
    return {"all copies at once": asked, **ways}


def integrated_gradients(model: Classifier, question: Question, params: IntegratedGradientsParams) -> Ways:
    x, attr = question.images, module("captum")
    asked = partial(
        attr.IntegratedGradients(Scored(model, pixels.score_of(model, params))).attribute,
        x,
        pixels.baseline_of(model, x, params.baseline),
        additional_forward_args=question.target,
        n_steps=params.steps,
        method="gausslegendre",
    )
    sizes = [count * len(x) for count in AT_ONCE]
    ways = {f"internal_batch_size={size}": partial(asked, internal_batch_size=size) for size in sizes}
    return {"all steps at once": asked, **ways}


def occlusion(at_once: int, model: Classifier, question: Question, params: OcclusionParams) -> Ways:
    """The same windows: captum too lays the last one flush with the edge, and averages where they overlap."""
    x = question.images
    patch, stride = params.grid(*x.shape[2:])
    asked = partial(
        module("captum").Occlusion(Scored(model, masked.score_of(model, params))).attribute,
        x,
        (x.shape[1], patch, patch),
        strides=(x.shape[1], stride, stride),
        baselines=masked.fill_of(model, x, params.fill),
        additional_forward_args=question.target,
        perturbations_per_eval=at_once,
    )
    return {"": asked}


def same_map(ours: Explanation, theirs: Tensor, _: Any) -> dict[str, float]:
    return relative(ours.saliency, theirs.detach())


def same_pixels(ours: Explanation, theirs: Tensor, params: pixels.PixelParams) -> dict[str, float]:
    return relative(ours.saliency, pixels.flatten_channels(theirs.detach(), params))


def same_sum(ours: Explanation, theirs: Tensor, _: Any) -> dict[str, float]:
    return relative(ours.saliency, theirs.detach().sum(1))


def alike(ours: Explanation, theirs: Tensor, params: pixels.PixelParams) -> dict[str, float]:
    return correlation(ours.saliency, pixels.flatten_channels(theirs.detach(), params))


def same_drops(ours: Explanation, theirs: Tensor, _: Any) -> dict[str, float]:
    """A window covers all channels, and captum says the same of each."""
    return relative(ours.saliency, theirs.detach().to(torch.float32)[:, 0])


RIVALS = (
    Rival("gradient", "captum", "Saliency", gradient, same_pixels),
    Rival("guided-backprop", "captum", "GuidedBackprop", partial(backprop, "GuidedBackprop"), same_pixels),
    Rival("deconvnet", "captum", "Deconvolution", partial(backprop, "Deconvolution"), same_pixels),
    Rival("gradcam", "captum", "LayerGradCam, interpolated", grad_cam, same_map),
    Rival("guided-gradcam", "captum", "GuidedGradCam", guided_grad_cam, same_pixels),
    Rival("integrated-gradients", "captum", "IntegratedGradients", integrated_gradients, same_sum),
    Rival("smoothgrad", "captum", "NoiseTunnel(Saliency)", smoothgrad, alike),
    Rival("occlusion", "captum", "Occlusion, 1 window a pass (default)", partial(occlusion, 1), same_drops),
    Rival("occlusion", "captum", "Occlusion, 16 windows a pass", partial(occlusion, 16), same_drops),
)
