"""Grad-CAM (Selvaraju et al. 2017): where the last convolution speaks for the class.

    α_k = mean_u ∂y_t/∂A_k[u],   S[u] = max(0, Σ_k α_k A_k[u]),

enlarged bilinearly to the picture; raw values, never scaled to [0, 1].  One forward pass, and a
backward pass from the logit to the layer only; several targets of a picture share the forward pass.  The gradient is
that of the logit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explain_core.errors import CannotExplain, suggest
from explain_core.hooks import Maps, maps_of
from explain_core.methods.base import Method
from explain_core.methods.targets import gradients, pictures_of
from explain_core.models.classifier import Classifier, pick
from explain_core.models.prepared import unshifted
from explain_core.params import AUTO, Params, Pattern
from explain_core.types import Explanation, Images, Logits, Question, Saliency, Working

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)

_last_map: WeakKeyDictionary[Classifier, dict[tuple[int, ...], str]] = WeakKeyDictionary()
"""The default layer by input size: once it is known, only that layer is listened to, and nothing before it
is recorded for a backward pass."""


@dataclass(frozen=True)
class GradCamParams(Params):
    layer: Annotated[
        str,
        Pattern(r"[\w.]+", "a layer's name, such as 'layer4', or 'auto'"),
        "The layer whose map is used; auto is the last convolution that still has a map.",
    ] = AUTO


@dataclass(frozen=True)
class Look:
    """A layer's map (n, k, h, w), the gradient of each row's class logit there, and the logits.

    In a prepared network the map is s times as large and the gradient 1/s times: their product is as it was.
    """

    name: str
    layer: Tensor
    gradient: Tensor
    logits: Logits


def run(model: Classifier, question: Question, params: GradCamParams) -> Working:
    """Grad-CAM of every row; yields no step, because there is only one."""
    found = look(model, question, params.layer)
    coarse = weighted(found.layer, found.gradient.mean(dim=(2, 3), keepdim=True))
    return Explanation(
        saliency=enlarged(coarse, question.images),
        before=found.logits,
        outcomes=tuple(outcome(row, found.name) for row in coarse),
        passes=pictures_of(question).passes(backward=0),  # the way back ends at the layer, at almost no cost
    )
    yield  # makes this a generator, like every method


def look(model: Classifier, question: Question, layer: str, forward: Callable[[Images], Logits] | None = None) -> Look:
    """The class's gradient at a layer: one forward pass, `forward` instead of the model's own if given."""
    names, pictures = candidates(model, layer, question.images), pictures_of(question)
    with maps_of(model.net, names, last=True) as maps, torch.enable_grad():
        logits = pictures.spread((forward or model)(question.images[pictures.first]))
        name, kept = chosen(model, maps, layer, question.images)
        gradient = gradients(pick(logits, question.target), kept, pictures)
    seen = pictures.spread(unshifted(model.net.get_submodule(name), kept.detach()))
    return Look(name, seen, gradient, logits.detach())


def weighted(layer: Tensor, weights: Tensor) -> Tensor:
    """What speaks for the class: (n, 1, h, w), the positive part of the weighted sum over channels."""
    return (weights * layer).sum(1, keepdim=True).relu()


def enlarged(coarse: Tensor, images: Images) -> Saliency:
    """A map (n, 1, h', w') at the size of the pictures."""
    return F.interpolate(coarse, size=images.shape[2:], mode="bilinear", align_corners=False)[:, 0]


def candidates(model: Classifier, layer: str, images: Images) -> Sequence[str]:
    """The layers to listen to: the one named, or known from pictures of this size, or every convolution."""
    if layer == AUTO and (last := _last_map.setdefault(model, {}).get(tuple(images.shape[1:]))):
        return [last]
    known = dict(model.net.named_modules())
    if layer != AUTO:
        if layer not in known:
            raise CannotExplain(f"No layer {layer!r} in {model.spec}: {suggest(layer, filter(None, known))}")
        return [layer]
    reason = cannot(model)
    if reason:
        raise CannotExplain(f"Grad-CAM cannot explain {model.spec}, because {reason}")
    return [name for name, module in known.items() if isinstance(module, CONVOLUTIONS)]


def chosen(model: Classifier, maps: Maps, layer: str, images: Images) -> tuple[str, Tensor]:
    """The last map in execution order, remembered for pictures of this size."""
    if maps.kept:
        name, last = list(maps.kept.items())[-1]
        if layer == AUTO:
            _last_map[model][tuple(images.shape[1:])] = name
        return name, last
    if layer == AUTO:
        raise CannotExplain(f"Grad-CAM cannot explain {model.spec}, because no convolution keeps a map at this size.")
    shapes = ", ".join(map(str, maps.shapes.values())) or "no tensor"
    raise CannotExplain(f"Layer {layer!r} of {model.spec} puts out {shapes}: Grad-CAM needs a map (n, k, h, w).")


def cannot(model: Classifier) -> str | None:
    """Why Grad-CAM with its default layer does not apply, or None."""
    kinds = [type(module).__name__ for module in model.net.modules()]
    if any("Attention" in kind for kind in kinds):
        return "attention layers follow its last convolution; name a layer that puts out a map."
    if not any(isinstance(module, CONVOLUTIONS) for module in model.net.modules()):
        return "it has no convolutional layer; use a method that changes the picture."
    return None


def outcome(coarse: Tensor, name: str) -> str:
    if bool((coarse == 0).all()):
        return f"Empty: nothing in layer {name} speaks for this class. Try another layer or class."
    return f"Where layer {name} speaks for the class."


def cost(_: GradCamParams) -> float:
    return 0.5


METHOD = Method(
    name="gradcam",
    title="Grad-CAM",
    summary="Where the last convolution speaks for the class.",
    citation="Selvaraju et al., Grad-CAM, ICCV 2017.",
    run=run,
    params=GradCamParams,
    rho="none",
    cost=cost,
    cannot=cannot,
    limits="Coarse: as fine as the layer's map. Needs a convolutional layer.",
    prepared=True,
)
