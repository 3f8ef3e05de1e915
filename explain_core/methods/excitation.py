"""Excitation backprop and its contrastive form (Zhang et al. 2016): which units excited the class.

A relevance of 1 at the class logit is shared out downwards, see `backward/excitation.py`, to a layer's map P:

    excitation-backprop               S[u] = Σ_k P_k[u]
    contrastive-excitation-backprop   S[u] = max(0, Σ_k P_k[u]),  P from "the class" minus "not the class"

enlarged bilinearly.  Relevance is neither made nor lost where activations are non-negative, so ΣP = 1 at every layer
whose units all have an excitatory input; the sum is told.  Of a map of logits, the largest position's is followed;
the first class of a binary network speaks through negated weights.

Layer: on VGG the last but one pool (`features.23` of VGG16), on others the last stage whose map has at least four
times the positions of the last one (`layer3` of ResNet-50), or the last map where maps do not shrink.  Stages
are the network's modules, nn.Sequential being opened.  One forward and one backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from explain_core.backward.excitation import Exciting
from explain_core.errors import CannotExplain
from explain_core.hooks import Maps, maps_of
from explain_core.methods import gradcam, modified_backward
from explain_core.methods.base import Method
from explain_core.methods.gradient import one_pass
from explain_core.models.classifier import Classifier, pick
from explain_core.params import AUTO, Params, Pattern
from explain_core.types import Explanation, Labels, Logits, Passes, Question, Working

FINER = 4  # times the positions of the last map

_default: WeakKeyDictionary[Classifier, dict[tuple[int, ...], str]] = WeakKeyDictionary()
"""The default layer by input size, found in the first pass of that size."""


@dataclass(frozen=True)
class ExcitationParams(Params):
    layer: Annotated[
        str,
        Pattern(r"[\w.-]+", "a layer's name, such as 'layer3', or 'auto'"),
        "The layer at which relevance is shown; auto is the last one of twice the last map's resolution.",
    ] = AUTO


def run(contrast: bool, title: str, model: Classifier, question: Question, params: ExcitationParams) -> Working:
    """Yields no step, because there is only one."""
    if reason := cannot(model):
        raise CannotExplain(f"{title} cannot explain {model.spec}, because {reason}")
    name, relevance, logits = relevance_at(model, question, params.layer, contrast)
    coarse = relevance.sum(1, keepdim=True)
    shown = coarse.relu() if contrast else coarse
    return Explanation(
        saliency=gradcam.enlarged(shown, question.images),
        before=logits,
        outcomes=tuple(outcome(row, name, contrast) for row in shown),
        passes=(Passes(1, 1),) * len(logits),
        numbers={"relevance": shown.sum((1, 2, 3))},
    )
    yield  # makes this a generator, like every method


def relevance_at(model: Classifier, question: Question, layer: str, contrast: bool) -> tuple[str, Tensor, Logits]:
    """The layer's name, its relevance (n, k, h', w') of the class, and the logits."""
    size = tuple(question.images.shape[1:])
    known = _default.setdefault(model, {}).get(size) if layer == AUTO else layer
    names = gradcam.candidates(model, known, question.images) if known else list(stages(model.net))
    # Once the layer is known, nothing before it is recorded.
    x = ((question.images - model.mean) / model.std).detach().requires_grad_(known is None)
    keeping = maps_of(model.net, names, cut=known is not None)
    with torch.enable_grad(), keeping as maps, Exciting(contrast=contrast):
        y = model.net(x)
    name = chosen(model, maps, layer)
    if layer == AUTO:
        _default[model][size] = name
    logits, seed = begin(model, y, question.target)
    relevance = torch.autograd.grad(y, maps.kept[name], seed, allow_unused=True)[0] if y.requires_grad else None
    if relevance is None:
        raise CannotExplain(f"Layer {name!r} of {model.spec} is not on the way to the output; name another.")
    return name, relevance, logits


def begin(model: Classifier, y: Tensor, target: Labels) -> tuple[Logits, Tensor]:
    """The logits, and a relevance of 1 at each row's class in the network's output, −1 where its opposite is meant."""
    leaf = y.detach().requires_grad_()
    with torch.enable_grad():
        logits = model.present(leaf)
        (seed,) = torch.autograd.grad(pick(logits, target).sum(), leaf)
    return logits.detach(), seed / seed.flatten(1).abs().sum(1).view(-1, *[1] * (seed.ndim - 1))


def stages(net: nn.Module, prefix: str = "") -> Iterator[str]:
    """The blocks of a network: its modules, where an nn.Sequential is opened, and so is a mere wrapper."""
    children = list(net.named_children())
    for name, child in children:
        if isinstance(child, nn.Sequential) or (len(children) == 1 and list(child.children())):
            yield from stages(child, f"{prefix}{name}.")
        else:
            yield prefix + name


def chosen(model: Classifier, maps: Maps, layer: str) -> str:
    """The layer named, or the default among the stages that put out a map."""
    if not maps.kept:
        shapes = ", ".join(map(str, maps.shapes.values())) or "no tensor"
        asked = "no stage" if layer == AUTO else f"layer {layer!r}"
        raise CannotExplain(f"In {model.spec}, {asked} puts out a map (n, k, h, w), but {shapes}; name another layer.")
    names = list(maps.kept)
    if type(model.net).__name__ == "VGG":
        pools = [name for name in names if isinstance(model.net.get_submodule(name), nn.MaxPool2d)]
        names = pools[:-1] or names
        return names[-1]
    last = positions(maps.kept[names[-1]])
    finer = [name for name in names if positions(maps.kept[name]) >= FINER * last]
    return (finer or names)[-1]


def positions(layer: Tensor) -> int:
    return layer.shape[2] * layer.shape[3]


def cannot(model: Classifier) -> str | None:
    """Why there is no such rule for this network, or None; functions without a rule are found when it runs."""
    return modified_backward.cannot(model) or gradcam.cannot(model)


def outcome(coarse: Tensor, name: str, contrast: bool) -> str:
    if bool((coarse == 0).all()):
        return f"Empty: nothing in layer {name} excites this class. Try another layer or class."
    return f"What excites the class{' more than its opposite' if contrast else ''}, at layer {name}."


def _row(contrast: bool, name: str, title: str, summary: str, limits: str) -> Method:
    return Method(
        name=name,
        title=title,
        summary=summary,
        citation="Zhang et al., Top-down Neural Attention by Excitation Backprop, ECCV 2016.",
        run=partial(run, contrast, title),
        params=ExcitationParams,
        rho="none",
        cost=one_pass,
        cannot=cannot,
        limits=limits,
    )


EXCITATION = _row(
    False,
    "excitation-backprop",
    "Excitation backprop",
    "Which parts of a layer's map excited the class.",
    "Shows what excites, not what inhibits; much the same for every class. Rectifier networks only.",
)
CONTRASTIVE = _row(
    True,
    "contrastive-excitation-backprop",
    "Contrastive excitation backprop",
    "Which parts of a layer's map excited the class rather than its opposite.",
    "Coarse: as fine as the layer's map. Rectifier networks only.",
)
