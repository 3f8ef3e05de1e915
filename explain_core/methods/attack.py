"""Every attack as a method: what it changed is where the decision was weak.

The saliency is the per-pixel RMS of the change over channels.  With ρ, the change that was found is brought
into the ball and scored there; whether the goal was met is told for the ball.  Without ρ, the attack's own
form.
"""

from __future__ import annotations

from functools import partial

import torch

from explain_core.attacks.base import Attack, Attacked
from explain_core.descent.projections import into_ball, rms
from explain_core.methods.base import Method
from explain_core.methods.outcomes import decision, still
from explain_core.models.classifier import Classifier
from explain_core.params import Params
from explain_core.types import Explanation, Passes, Question, Working

ROUNDING = 1e-5  # relative; a change this near to ρ is inside


def from_attack(attack: Attack) -> Method:
    """The attack's row in METHODS."""
    return Method(
        name=attack.name,
        title=attack.title,
        summary=attack.summary,
        citation=attack.citation,
        run=partial(run, attack),
        params=attack.params,
        rho="optional",
        cost=attack.cost,
        version=attack.version,
        cannot=attack.cannot,
        sensitive=attack.sensitive,
        prepared=True,
    )


def run(attack: Attack, model: Classifier, question: Question, params: Params) -> Working:
    found = yield from attack.run(model, question, params)
    image, after, passes = found.images, found.after, found.passes
    if question.rho is not None:
        image = into_ball(image, question.images, question.rho)
        with torch.no_grad():
            after = model(image)
        passes = tuple(spent + Passes(1, 0) for spent in passes)
    change = image - question.images
    told = zip(still(change), _goal(found, question), decision(model, question.target, found.first, after), strict=True)
    return Explanation(
        saliency=change.square().mean(1).sqrt(),
        before=found.first,
        after=after,
        perturbed=image,
        outcomes=tuple(f"{'Nothing was changed.' if unmoved else met} {fell}" for unmoved, met, fell in told),
        passes=passes,
        numbers={"goal_met": found.success.to(change.dtype), "found_at": rms(found.images - question.images)},
    )


def _goal(found: Attacked, question: Question) -> list[str]:
    """Whether the goal was met, and within ρ."""
    reached = rms(found.images - question.images)
    rho = torch.full_like(reached, torch.inf) if question.rho is None else question.rho
    return [
        _told(*row)
        for row in zip(found.success.tolist(), reached.tolist(), rho.tolist(), found.visited.tolist(), strict=True)
    ]


def _told(success: bool, reached: float, rho: float, visited: float) -> str:
    if not success:
        return f"No change up to RMSE {visited:.4g} met the goal; raise the steps, or ρ."
    if reached > rho * (1 + ROUNDING):
        return f"The goal is met at RMSE {reached:.4g}, not within ρ {rho:.4g}; this is the part of that change inside."
    return f"The goal is met at RMSE {reached:.4g}."
