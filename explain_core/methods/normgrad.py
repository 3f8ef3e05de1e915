"""NormGrad and selective NormGrad (Rebuffi, Fong, Ji & Vedaldi 2020): where a layer's weights would be moved most.

With A a layer's map and g the gradient of the class logit there, the virtual identity layer put behind it has the
weight gradient Σ_u g[u] A[u]ᵀ, and selective NormGrad's virtual scaling Σ_u g[u] ⊙ A[u]:

    normgrad             S[u] = ‖g[u]‖₂ ‖A[u]‖₂
    selective-normgrad   S[u] = ‖[g[u] ⊙ A[u]]₊‖₂

norms over channels, enlarged bilinearly.  Meta-saliency: with `meta_step` ε the map is that of the network after
one step θ − ε ∇ℓ on the cross-entropy ℓ of this picture and class, every row with its own; the model's weights are
replaced for the call (`functional_call`), never stepped.  One forward pass, and a backward pass to the layer only;
with ε another forward and backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.func import functional_call

from explain_core.methods import gradcam
from explain_core.methods.base import Method
from explain_core.methods.gradcam import Look
from explain_core.models.classifier import Classifier
from explain_core.params import AUTO, Params, Pattern, Range
from explain_core.types import Drop, Explanation, Images, Logits, Passes, Question, Step, Working

Norms = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class NormGradParams(Params):
    layer: Annotated[
        str,
        Pattern(r"[\w.-]+", "a layer's name, such as 'layer4', or 'auto'"),
        "The layer whose map is used; auto is Grad-CAM's, the last convolution that still has a map.",
    ] = AUTO
    meta_step: Annotated[
        float,
        Range(-0.1, 0.1),
        "ε of the meta-saliency's step on the weights, below 0 uphill; 0 is none, the paper's scripts have 0.0025.",
    ] = 0.0


def run(norms: Norms, model: Classifier, question: Question, params: NormGradParams) -> Working:
    """Yields a step after each row of meta-saliency, and none without it."""
    if params.meta_step:
        looks = yield from after_a_step(model, question, params)
    else:
        looks = [gradcam.look(model, question, params.layer)]
    coarse = torch.cat([norms(found.gradient, found.layer) for found in looks])[:, None]
    spent = Passes(2, 1) if params.meta_step else Passes(1, 0)  # the way back to the layer is almost free
    return Explanation(
        saliency=gradcam.enlarged(coarse, question.images),
        before=torch.cat([found.logits for found in looks]),
        outcomes=tuple(outcome(row, looks[0].name) for row in coarse),
        passes=(spent,) * len(coarse),
    )


def after_a_step(
    model: Classifier, question: Question, params: NormGradParams
) -> Generator[Step, Drop | None, list[Look]]:
    """Each row's look at the layer, after its own step on the weights; the logits are those before it."""
    looks: list[Look] = []
    for row in range(len(question.images)):
        one = Question(question.images[row : row + 1], question.target[row : row + 1])
        logits, weights = stepped(model, one, params.meta_step)
        found = gradcam.look(model, one, params.layer, partial(called_with, model, weights))
        looks.append(replace(found, logits=logits))
        yield Step(row + 1, len(question.images))
    return looks


def stepped(model: Classifier, question: Question, rate: float) -> tuple[Logits, dict[str, Tensor]]:
    """Logits, and the weights after one step downhill on the cross-entropy of all rows."""
    weights = {name: value.detach().requires_grad_() for name, value in model.named_parameters()}
    with torch.enable_grad():
        logits = called_with(model, weights, question.images)
        loss = model.cross_entropy(logits, question.target).sum()
        slopes = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    moved = zip(weights.items(), slopes, strict=True)
    return logits.detach(), {
        name: value.detach() if slope is None else value.detach() - rate * slope for (name, value), slope in moved
    }


def called_with(model: Classifier, weights: dict[str, Any], x: Images) -> Logits:
    """The model's logits with other weights."""
    logits: Logits = functional_call(model, weights, (x,))
    return logits


def identity(gradient: Tensor, layer: Tensor) -> Tensor:
    """Of the virtual 1 × 1 convolution: (n, h', w')."""
    return (gradient.square().sum(1) * layer.square().sum(1)).sqrt()


def selective(gradient: Tensor, layer: Tensor) -> Tensor:
    """Of the virtual scaling, where it speaks for the class: (n, h', w')."""
    return (gradient * layer).relu().square().sum(1).sqrt()


def outcome(coarse: Tensor, name: str) -> str:
    if bool((coarse == 0).all()):
        return f"Empty: the class does not depend on layer {name} here. Try another layer or class."
    return f"Where the class would move layer {name} most."


def cost(params: NormGradParams) -> float:
    return 1.5 if params.meta_step else 0.5


def _row(norms: Norms, name: str, title: str, summary: str) -> Method:
    return Method(
        name=name,
        title=title,
        summary=summary,
        citation="Rebuffi, Fong, Ji & Vedaldi, There and Back Again, CVPR 2020.",
        run=partial(run, norms),
        params=NormGradParams,
        rho="none",
        cost=cost,
        cannot=gradcam.cannot,
        limits="Coarse: as fine as the layer's map. Needs a convolutional layer, or a layer named.",
    )


NORMGRAD = _row(identity, "normgrad", "NormGrad", "Where a layer is both active and decisive for the class.")
SELECTIVE = _row(
    selective, "selective-normgrad", "Selective NormGrad", "Where a layer's channels speak for the class, unaveraged."
)
