"""APE-regularised adversarial explanations (Shoshan & Ratner, Eqs. 5, 10–16).

Phase 1 finds where: from Î = I minimise s_t(Î) + α·mean(S) + β·TV(S)/N with

    S = 2 / (1 + exp(−γ(d − ε))) − 1,   d = largest channel difference |I − Î|;

the mask is S ≥ 0, that is d ≥ ε.  Phase 2 finds how far: restart from I and minimise s_t alone
inside the mask; the lowest is kept.  Reported on the phase-2 image, with N pixels and B the
indicator of change:  APE_D = L0/N + TV(B)/N + s_t(Î).

Departures: mean(S) and TV/N as in Eq. 5, where the paper writes sums; β grows with √(N / 1024²);
Adam, 300 + 300 steps, at a rate of at most ε/2 (its first step moves every pixel by the rate);
phase 1 uses σ(o/τ), τ = max(1, o₀/3), for the class term, because a saturated s_t has no gradient,
and divides it by its start: a class believed with 10 % would else yield an empty mask;
phase 2 follows the log-odds o.  Default (α, β): the paper's (6, 120) on grey pictures, where it
marks about 1 % of a phantom, mostly lesion; (0.07, 2) on colour, because on photographs with
SqueezeNet the paper's (0.01, 0.2) marks 58 to 99 % of the pixels and its strong settings none.
With a ρ, box and ball act after every step of both phases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from torch import Tensor

from explain_core.descent.loop import Found, descend
from explain_core.descent.losses import total_variation
from explain_core.descent.plan import Plan
from explain_core.descent.projections import box, inside, into_ball, rms
from explain_core.descent.rules import adam
from explain_core.descent.view import Rows, View
from explain_core.errors import ParamError
from explain_core.methods.base import Method
from explain_core.methods.outcomes import decision, reach
from explain_core.models.classifier import Classifier, pick
from explain_core.params import Params, Range
from explain_core.types import Explanation, Images, Logits, Mask, Passes, PerRow, Question, Working

REFERENCE = 1024**2  # pixels of the paper's mammograms, for which its β was chosen
GREY, COLOUR = (6.0, 120.0), (0.07, 2.0)  # (α, β) by default
SMALLEST_BELIEF = 0.01


@dataclass(frozen=True)
class ApeParams(Params):
    alpha: Annotated[
        float | None, Range(0, 100), "α: weight of the changed area; auto is 6 for grey pictures, 0.07 for colour."
    ] = None
    beta: Annotated[
        float | None, Range(0, 1000), "β: weight of the mask's outline; auto is 120 for grey pictures, 2 for colour."
    ] = None
    gamma: Annotated[float, Range(1, 200, 1), "γ: how sharply a change counts as one."] = 30.0
    epsilon: Annotated[float, Range(0.001, 0.2, 0.001, unit="of the pixel range"), "ε: the change that counts."] = 0.01
    steps: Annotated[int, Range(5, 2000, 5, unit="steps a phase"), "Adam steps of each of the two phases."] = 300
    rate: Annotated[
        float, Range(1e-5, 0.1, unit="of the pixel range"), "Adam's rate; at most ε/2, or the mask fills the picture."
    ] = 0.002

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rate > self.epsilon / 2:
            raise ParamError(
                f"rate = {self.rate:g}: it must be at most epsilon / 2 = {self.epsilon / 2:g}; "
                f"lower the rate or raise epsilon."
            )

    def weights(self, channels: int, pixels: int) -> tuple[float, float]:
        """(α, β√(N/1024²)) for a picture of so many channels and pixels."""
        alpha, beta = GREY if channels == 1 else COLOUR
        alpha = alpha if self.alpha is None else self.alpha
        beta = beta if self.beta is None else self.beta
        return alpha, beta * (pixels / REFERENCE) ** 0.5


def run(model: Classifier, question: Question, params: ApeParams) -> Working:
    rows = Rows(question.images, question.target, question.rho)
    where = yield from descend(model, phase_1(model, rows, params), of=2 * params.steps)
    rows = rows.adding(mask=largest_difference(where.image, rows.x) >= params.epsilon)
    index = where.alive.nonzero()[:, 0]
    if not len(index):
        return explained(model, rows, where, where.logits)
    plan = phase_2(model, rows.take(index), params)
    how = yield from descend(model, plan, offset=params.steps, of=2 * params.steps, labels=index)
    return explained(model, rows, *lower(model, rows, where, where.updated(index, how)))


def phase_1(model: Classifier, rows: Rows, params: ApeParams) -> Plan:
    """Where: class, area and outline together (Eqs. 11 to 14)."""
    channels, pixels = rows.x.shape[1], rows.x[0, 0].numel()
    alpha, beta = params.weights(channels, pixels)

    def loss(view: View) -> PerRow:
        s = soft_change(view.image, view.rows.x, params)
        odds = model.log_odds(view.logits, view.rows.target)
        fallen = (odds / view.rows.extra["tau"]).sigmoid()
        fallen = fallen / view.rows.extra["belief"]
        return fallen + alpha * s.flatten(1).mean(1) + beta * total_variation(s) / pixels

    with torch.no_grad():
        start = model.log_odds(model(rows.x), rows.target)
    tau = (start / 3).clamp_min(1)
    return Plan(
        rows=rows.adding(tau=tau, belief=(start / tau).sigmoid().clamp_min(SMALLEST_BELIEF)),
        start=rows.x.clone(),
        loss=loss,
        rule=adam(params.rate),
        project=within,
        steps=params.steps,
    )


def phase_2(model: Classifier, rows: Rows, params: ApeParams) -> Plan:
    """How far: the class alone, inside the mask (Eqs. 15 and 16)."""

    def odds(view: View) -> PerRow:
        return model.log_odds(view.logits, view.rows.target)

    return Plan(
        rows=rows,
        start=rows.x.clone(),
        loss=odds,
        rule=adam(params.rate),
        project=lambda z, rows: inside(within(z, rows), rows.x, rows.extra["mask"]),
        score=lambda view: -odds(view),
        steps=params.steps,
    )


def lower(model: Classifier, rows: Rows, where: Found, how: Found) -> tuple[Found, Logits]:
    """Phase 2's picture, or phase 1's restricted to the mask where that is lower; and the latter's logits."""
    restricted = inside(where.image, rows.x, rows.extra["mask"])
    with torch.no_grad():
        logits = model(restricted)
    gain = model.log_odds(logits, rows.target) < model.log_odds(how.logits, rows.target)
    image = restricted.where(gain[:, None, None, None], how.image)
    return replace(how, image=image, logits=logits.where(gain[:, None], how.logits)), logits


def within(z: Images, rows: Rows) -> Images:
    return box(z) if rows.rho is None else into_ball(z, rows.x, rows.rho)


def largest_difference(a: Images, b: Images) -> Tensor:
    """(n, h, w): the largest |a − b| over channels."""
    return (a - b).abs().amax(1)


def soft_change(image: Images, x: Images, params: ApeParams) -> Tensor:
    """S of Eq. 11 in (−1, 1): above 0 where a pixel has changed by more than ε."""
    return 2 * torch.sigmoid(params.gamma * (largest_difference(image, x) - params.epsilon)) - 1


def ape_d(image: Images, x: Images, probability: PerRow) -> Mapping[str, PerRow]:
    """APE_D and its three terms (Eqs. 5 and 10, all weights 1); a pixel has changed if any channel has."""
    changed = (image != x).any(1).to(x.dtype)
    pixels = changed[0].numel()
    area = changed.flatten(1).sum(1) / pixels
    outline = total_variation(changed) / pixels
    return {"ape_d": area + outline + probability, "l0": area, "tv": outline, "class": probability}


def explained(model: Classifier, rows: Rows, found: Found, restricted: Logits) -> Explanation:
    mask: Mask = rows.extra["mask"]
    share = mask.flatten(1).float().mean(1)
    probability, phase_1 = (pick(model.probabilities(logits), rows.target) for logits in (found.logits, restricted))
    told = zip(
        share.tolist(),
        reach(rms(found.image - rows.x), rows.rho),
        decision(model, rows.target, found.first, found.logits),
        strict=True,
    )
    return Explanation(
        saliency=largest_difference(found.image, rows.x),
        before=found.first,
        after=found.logits,
        perturbed=found.image,
        mask=mask,
        outcomes=tuple(mask_in_words(part) + f"{used} {fell}" for part, used, fell in told),
        passes=tuple(spent + Passes(2, 0) for spent in found.passes),
        numbers={**ape_d(found.image, rows.x, probability), "mask share": share, "class phase 1": phase_1},
        trace={"class": found.traced},
    )


def mask_in_words(share: float) -> str:
    if share == 0:
        return "Empty mask: no pixel had to change by ε. Lower alpha, or choose a class that the network sees. "
    if share == 1:
        return "The mask is the whole picture. Raise alpha and beta. "
    return f"The mask covers {share:.1%}. "


def cost(params: ApeParams) -> float:
    return 2 * params.steps + 2


METHOD = Method(
    name="ape",
    title="APE",
    summary="The few, compact pixels whose change takes the class away: a mask, not a haze.",
    citation="Shoshan & Ratner, Regularized adversarial examples for model interpretability, 2018.",
    run=run,
    params=ApeParams,
    rho="optional",
    cost=cost,
    sensitive=True,
    limits="Two phases of 300 steps: the slowest of the four.",
    prepared=True,
)
