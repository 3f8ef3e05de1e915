"""captum's methods, with the parameters of ours, as its tutorials call them.

Its rules for rectifiers need modules, which do not work in place.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from explain_core.bench.rivals.base import (
    Asked,
    Rival,
    Scored,
    Ways,
    correlation,
    layer_of,
    module,
    out_of_place,
    relative,
)
from explain_core.methods import masked, pixels
from explain_core.methods.occlusion import OcclusionParams
from explain_core.types import Explanation, Question

AT_ONCE = (1, 8)
"""Steps or copies a pass that are tried beside captum's default, all at once."""


def grad_cam(asked: Asked) -> Ways:
    attr, x, target = module("captum"), asked.question.images, asked.question.target
    explainer = attr.LayerGradCam(asked.model, layer_of(asked))

    def way() -> Tensor:
        coarse = explainer.attribute(x, target=target, relu_attributions=True)
        found: Tensor = attr.LayerAttribution.interpolate(coarse, tuple(x.shape[2:]), "bilinear")[:, 0]
        return found

    return {"": way}


def guided_grad_cam(asked: Asked) -> Ways:
    out_of_place(asked.model)
    x, target = asked.question.images, asked.question.target
    explainer = module("captum").GuidedGradCam(scored(asked), layer_of(asked))
    return {"": partial(explainer.attribute, x, None, target, interpolate_mode="bilinear")}


def backprop(kind: str, asked: Asked) -> Ways:
    out_of_place(asked.model)
    explainer = getattr(module("captum"), kind)(scored(asked))
    return {"": partial(explainer.attribute, asked.question.images, additional_forward_args=asked.question.target)}


def gradient(asked: Asked) -> Ways:
    x, target = asked.question.images, asked.question.target
    explainer = module("captum").Saliency(scored(asked))
    return {"": partial(explainer.attribute, x, abs=False, additional_forward_args=target)}


def smoothgrad(asked: Asked) -> Ways:
    """Its noise is other noise, with one deviation for the whole batch."""
    attr, x, params = module("captum"), asked.question.images, asked.params
    spread = params.noise * float((x.amax((1, 2, 3)) - x.amin((1, 2, 3))).mean())
    way = partial(
        attr.NoiseTunnel(attr.Saliency(scored(asked))).attribute,
        x,
        nt_type="smoothgrad_sq" if params.squared else "smoothgrad",
        nt_samples=params.samples,
        stdevs=spread,
        abs=False,
        additional_forward_args=asked.question.target,
    )
    fewer = {f"nt_samples_batch_size={count}": partial(way, nt_samples_batch_size=count) for count in AT_ONCE}
    return {"all copies at once": way, **fewer}


def integrated_gradients(asked: Asked) -> Ways:
    x, params = asked.question.images, asked.params
    way = partial(
        module("captum").IntegratedGradients(scored(asked)).attribute,
        x,
        pixels.baseline_of(asked.model, x, params.baseline),
        additional_forward_args=asked.question.target,
        n_steps=params.steps,
        method="gausslegendre",
    )
    sizes = [count * len(x) for count in AT_ONCE]
    fewer = {f"internal_batch_size={size}": partial(way, internal_batch_size=size) for size in sizes}
    return {"all steps at once": way, **fewer}


def occlusion(at_once: int, asked: Asked) -> Ways:
    """The same windows where the stride meets the edge; both average where windows overlap."""
    model, x, params = asked.model, asked.question.images, asked.params
    patch, stride = params.grid(*x.shape[2:])
    way = partial(
        module("captum").Occlusion(Scored(model, masked.score_of(model, params))).attribute,
        x,
        (x.shape[1], patch, patch),
        strides=(x.shape[1], stride, stride),
        baselines=masked.fill_of(model, x, params.fill),
        additional_forward_args=asked.question.target,
        perturbations_per_eval=at_once,
    )
    return {"": way}


def windows(question: Question) -> dict[str, Any]:
    """The logit, as captum's users explain (of a probability near 1, float32 loses what a window takes from it), and
    the largest patch up to our own that meets the edge: beyond it captum cuts windows off, and we lay one flush.
    """
    height, width = question.images.shape[2:]
    most, stride = OcclusionParams().grid(height, width)
    meets = (patch for patch in range(most, stride - 1, -1) if not (height - patch) % stride + (width - patch) % stride)
    return {"objective": "logit", "patch": next(meets, most), "stride": stride}


def scored(asked: Asked) -> Scored:
    """The network with the score whose gradient our method takes."""
    return Scored(asked.model, pixels.score_of(asked.model, asked.params))


def same_map(_: Asked, ours: Explanation, theirs: Tensor) -> dict[str, float]:
    return relative(ours.saliency, theirs.detach())


def same_pixels(asked: Asked, ours: Explanation, theirs: Tensor) -> dict[str, float]:
    return relative(ours.saliency, pixels.flatten_channels(theirs.detach(), asked.params))


def same_sum(_: Asked, ours: Explanation, theirs: Tensor) -> dict[str, float]:
    return relative(ours.saliency, theirs.detach().sum(1))


def alike(asked: Asked, ours: Explanation, theirs: Tensor) -> dict[str, float]:
    return correlation(ours.saliency, pixels.flatten_channels(theirs.detach(), asked.params))


def same_drops(_: Asked, ours: Explanation, theirs: Tensor) -> dict[str, float]:
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
    Rival("occlusion", "captum", "Occlusion, 1 window a pass (default)", partial(occlusion, 1), same_drops, windows),
    Rival("occlusion", "captum", "Occlusion, 16 windows a pass", partial(occlusion, 16), same_drops, windows),
)
