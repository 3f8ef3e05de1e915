"""Grad-CAM++ (Chattopadhay et al. 2018): positions that speak for the class count alike, however large their part.

With g the gradient of the class logit at the layer's map A, and A's sum a_k = Σ_v [A_k[v]]₊ (their Eqs. 5 and 19
for the class score exp(y)):

    α_k[u] = g_k[u]² / (2 g_k[u]² + a_k g_k[u]³) = 1 / (2 + a_k g_k[u]),
    w_k = Σ_u α_k[u] [g_k[u]]₊,   S[u] = max(0, Σ_k w_k A_k[u]),

enlarged bilinearly.  Departures: the factor exp(y), the same for all of a row's weights, is left out, because it
overflows; A is rectified in the denominator, which changes nothing for a layer behind a ReLU and else keeps the
denominator from crossing zero.  One forward pass, and a backward pass to the layer only.
"""

from __future__ import annotations

from explain_core.methods import gradcam
from explain_core.methods.base import Method
from explain_core.methods.gradcam import GradCamParams
from explain_core.models.classifier import Classifier
from explain_core.types import Explanation, Passes, Question, Working


def run(model: Classifier, question: Question, params: GradCamParams) -> Working:
    """Yields no step, because there is only one."""
    found = gradcam.look(model, question, params.layer)
    rising = found.gradient.relu()
    total = found.layer.relu().sum((2, 3), keepdim=True)
    weights = (rising / (2 + total * rising)).sum((2, 3), keepdim=True)
    coarse = gradcam.weighted(found.layer, weights)
    return Explanation(
        saliency=gradcam.enlarged(coarse, question.images),
        before=found.logits,
        outcomes=tuple(gradcam.outcome(row, found.name) for row in coarse),
        passes=(Passes(1, 0),) * len(coarse),  # the way back ends at the layer, at almost no cost
    )
    yield  # makes this a generator, like every method


METHOD = Method(
    name="gradcam-plus-plus",
    title="Grad-CAM++",
    summary="Where the last convolution speaks for the class, several objects alike.",
    citation="Chattopadhay et al., Grad-CAM++, WACV 2018.",
    run=run,
    params=GradCamParams,
    rho="none",
    cost=gradcam.cost,
    cannot=gradcam.cannot,
    limits="Coarse: as fine as the layer's map. Only positive gradients count, so it tells classes apart less.",
)
