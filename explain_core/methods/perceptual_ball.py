"""Adversarial perturbations on the perceptual ball (Elliott, Law & Russell 2021, Eqs. 1, 2, 5).

Per row, minimise

    (M_t(x̂) − T)² + λ' Σ_l ‖φ_l(x̂) − φ_l(x)‖² + λ ‖(x̂ − x)/σ‖²,

M the margin of the target, φ_l the outputs of chosen activations, captured in the same forward
pass, σ the model's channel deviations (the authors work in the normalised space).  Norms are means
over elements, as in the authors' code, so weights do not depend on resolution.

- Without ρ: L-BFGS in the normalised space from x, one history per row, no box; the unclipped
  change gives the saliency, the clipped picture is stored and scored.  With a tolerance, several λ' of
  a picture are one path (`weights_path.py`).
- With ρ: spectral projected gradient in pixel space, box and ball; the lowest loss is kept.

Departures: on networks other than VGG each layer's term is divided by the mean square of φ_l(x)
and λ' is 300 (λ' = 10,000 lets nothing move there); the lowest loss is kept, not the last, except
with preset pb-2021, which is the authors' code.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from explain_core.descent.lbfgs import LBFGS
from explain_core.descent.loop import Found, descend
from explain_core.descent.losses import distance, mean_square
from explain_core.descent.plan import Plan
from explain_core.descent.projections import into_ball, nearest, rms
from explain_core.descent.spectral import Spectral
from explain_core.descent.view import Rows, View
from explain_core.methods.base import FEW_PICTURES, Method
from explain_core.methods.layers import WEIGHTS, Layers, choose_layers
from explain_core.methods.outcomes import NEARLY, decision, reach
from explain_core.methods.smoothing import gaussian
from explain_core.methods.weights_path import along, chains
from explain_core.models.classifier import Classifier, pick
from explain_core.params import AUTO, Choice, Params, Pattern, Range
from explain_core.types import Drop, Explanation, Images, Passes, PerRow, Question, Step, Working

FLAT_GRADIENT = 1e-7  # rows whose largest gradient entry is below this are done, as in torch's L-BFGS
FIRST_MOVE = 0.1  # RMS of the first trial under a ρ, as a share of it
PRESSES = 4  # times the margin goal is doubled to make the ball bind


@dataclass(frozen=True)
class PerceptualBallParams(Params):
    margin_goal: Annotated[float, Range(-50, 0, 0.5, unit="logits"), "T: how far the class should fall behind."] = -2.0
    feature_weight: Annotated[
        float | None, Range(0, 1e6), "λ': weight of the activations' change; auto is 10,000 on VGG, else 300."
    ] = None
    pixel_weight: Annotated[float, Range(0, 1e4), "λ: weight of the pixels' change."] = 1.0
    layers: Annotated[
        str,
        Pattern(r"auto|none|\d+-\d+|\d+%-\d+%", "'auto', 'none', a range such as '4-9', or of depth, '25%-75%'"),
        "Activations in execution order, from 0, both ends included; auto is the middle half (4-9 on VGG-19).",
    ] = AUTO
    steps: Annotated[int, Range(5, 1000, 5, unit="steps"), "Iterations."] = 100
    history: Annotated[int, Range(1, 200, 1, unit="pairs"), "L-BFGS memory, without ρ; each pair costs memory."] = 10
    guided: Annotated[bool, "Multiply the saliency by the class's gradient at the picture."] = False
    fill_ball: Annotated[bool, "With ρ: lower the margin goal until the ball binds."] = False
    blur: Annotated[float, Range(0, 64, 0.5, unit="pixels"), "σ of the saliency's Gaussian blur."] = 2.0
    tolerance: Annotated[
        float, Range(0, 0.1), "Without ρ: done when 5 steps lower the loss by less than this share; 0: all steps."
    ] = 0.0
    preset: Annotated[
        str, Choice(("ours", "pb-2021")), "pb-2021: the authors' code; overrides layer scaling, λ', root, keep."
    ] = "ours"

    @property
    def theirs(self) -> bool:
        return self.preset == "pb-2021"


def run(model: Classifier, question: Question, params: PerceptualBallParams) -> Working:
    rows = Rows(question.images, question.target, question.rho)
    weight = question.knobs.get("feature_weight")
    asked = params.feature_weight if weight is None else weight
    layers = choose_layers(model, rows.x, params.layers, asked, raw=params.theirs)
    goal = rows.x.new_full((len(rows),), params.margin_goal)
    rows = rows.adding(goal=goal, **layers.references, **{"normalised x": (rows.x - model.mean) / model.std})
    if question.rho is None and params.tolerance and weight is not None and question.keys:
        plan = without_rho(model, rows, layers, params)
        found = yield from along(model, plan, chains(question, weight), weight)
    elif question.rho is None:
        found = yield from descend(model, without_rho(model, rows, layers, params))
    else:
        found = yield from with_rho(model, rows, layers, params)
    return explained(model, rows, found, params)


def objective(
    model: Classifier, layers: Layers, params: PerceptualBallParams, view: View, normalised: Images
) -> PerRow:
    """Eq. 5 per row, with means for norms; `normalised` is the picture in the network's own space."""
    extra = view.rows.extra
    loss = (model.margin(view.logits, view.rows.target) - extra["goal"]).square()
    if view.features:
        loss = loss + distance(view.features, [extra[name] for name in layers.names], extra[WEIGHTS])
    return loss + params.pixel_weight * mean_square(normalised, extra["normalised x"])


def without_rho(model: Classifier, rows: Rows, layers: Layers, params: PerceptualBallParams) -> Plan:
    """L-BFGS in the normalised space, unclipped."""
    return Plan(
        rows=rows,
        start=rows.extra["normalised x"].clone(),
        compose=lambda z, _: torch.addcmul(model.mean, z, model.std),
        loss=lambda view: objective(model, layers, params, view, view.z),
        rule=LBFGS(params.history),
        score=None if params.theirs else lambda view: -view.loss,
        stop=lambda view, gradient: gradient.flatten(1).abs().amax(1) <= FLAT_GRADIENT,
        settled=rows.x.new_full((len(rows),), params.tolerance) if params.tolerance else None,
        steps=params.steps,
        watch=layers.watch,
    )


def with_rho(
    model: Classifier, rows: Rows, layers: Layers, params: PerceptualBallParams
) -> Generator[Step, Drop | None, Found]:
    """Spectral projected gradient in the ball; then, if asked, further out while the ball does not bind."""
    presses = PRESSES if params.fill_ball else 0
    of = params.steps * (1 + presses)
    found = yield from descend(model, in_ball(model, rows, rows.x, layers, params), of=of)
    for press in range(1, presses + 1):
        slack = (rms(found.image - rows.x) < NEARLY * rho_of(rows)) & found.alive
        index = slack.nonzero()[:, 0]
        if not len(index):
            break
        further = rows.take(index)
        further = further.adding(goal=further.extra["goal"] * 2**press)
        plan = in_ball(model, further, found.z[index], layers, params)
        again = yield from descend(model, plan, offset=press * params.steps, of=of, labels=index)
        found = found.updated(index, again)
    return found


def in_ball(model: Classifier, rows: Rows, start: Images, layers: Layers, params: PerceptualBallParams) -> Plan:
    def within(z: Images, rows: Rows) -> Images:
        return into_ball(z, rows.x, rho_of(rows))

    return Plan(
        rows=rows,
        start=start,
        loss=lambda view: objective(model, layers, params, view, (view.image - model.mean) / model.std),
        rule=Spectral(
            lambda z, rows: nearest(z, rows.x, rho_of(rows)), first=lambda view: FIRST_MOVE * rho_of(view.rows)
        ),
        project=within,
        score=lambda view: -view.loss,
        steps=params.steps,
        watch=layers.watch,
    )


def rho_of(rows: Rows) -> PerRow:
    return rows.rho if rows.rho is not None else rows.x.new_full((len(rows),), torch.inf)


def explained(model: Classifier, rows: Rows, found: Found, params: PerceptualBallParams) -> Explanation:
    """Saliency from the unclipped change; the clipped picture is the one stored and scored."""
    perturbed, logits, more = found.image, found.logits, Passes(1, 0)
    if rows.rho is None:
        perturbed = found.image.clamp(0, 1)
        with torch.no_grad():
            logits = model(perturbed)
        more = Passes(2, 0)
    margin = model.margin(found.logits, rows.target)
    told = zip(
        reach(rms(perturbed - rows.x), rows.rho),
        decision(model, rows.target, found.first, logits),
        (margin <= rows.extra["goal"] + 0.05 * rows.extra["goal"].abs() + 0.05).tolist(),
        strict=True,
    )
    return Explanation(
        saliency=saliency(model, rows, found.image - rows.x, params),
        before=found.first,
        after=logits,
        perturbed=perturbed,
        outcomes=tuple(
            f"{used} {fell}" + ("" if met else f" The margin did not reach {params.margin_goal:g}.")
            for used, fell, met in told
        ),
        passes=tuple(spent + more for spent in found.passes),
        numbers={"margin": margin, "loss": found.loss},
        trace={"loss": found.traced},
    )


def saliency(model: Classifier, rows: Rows, change: Images, params: PerceptualBallParams) -> Tensor:
    """Mean over channels of the squared change (its root with the authors' preset), then blurred.

    Guided: each channel's square times |∇y_t| / max|∇y_t| at the picture (the paper's product with
    the normalised gradient).
    """
    square = ((change / model.std) if params.theirs else change).square()
    if params.guided:
        x = rows.x.detach().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(pick(model(x), rows.target).sum(), x)
        size = gradient.abs()
        square = square * size / size.flatten(1).amax(1).clamp_min(1e-30).view(-1, 1, 1, 1)
    mean = square.mean(1)
    return gaussian(mean.sqrt() if params.theirs else mean, params.blur)


def cost(params: PerceptualBallParams) -> float:
    return params.steps * (1 + (PRESSES if params.fill_ball else 0)) + 1.5 + params.guided


def memory(params: PerceptualBallParams) -> float:
    """Pictures kept per row: L-BFGS pairs, and a few of the loop's own."""
    return 2 * params.history + FEW_PICTURES


def features(params: PerceptualBallParams) -> float:
    """Activations of the picture and of the one at hand: by default the middle half, where maps are small."""
    return 0.0 if params.layers == "none" or params.feature_weight == 0 else 0.5


METHOD = Method(
    name="perceptual-ball",
    title="Perceptual ball",
    summary="The smallest change, in pixels and in activations, that makes the class lose.",
    citation="Elliott, Law & Russell, Adversarial Perturbations on the Perceptual Ball, CVPR 2021.",
    run=run,
    params=PerceptualBallParams,
    rho="optional",
    cost=cost,
    memory=memory,
    features=features,
    limits="Often far inside the ball: the change that suffices is small.",
    prepared=True,
    per_row=("feature_weight",),
)
