"""foolbox's attacks with the same ε, steps and length of a step, on the class that the network decides on."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from explain_core.attacks.bounded import STEP, PgdParams
from explain_core.attacks.deepfool import DeepFoolParams
from explain_core.bench.rivals.base import Asked, Rival, Ways, module, nothing
from explain_core.descent.projections import rms
from explain_core.types import Explanation, Flags, Images, Question

Found = tuple[Images, Images, Flags]
"""Its raw and its clipped pictures, and which of them fool the network."""


def attacked(attack: Any, eps: float | None, asked: Asked) -> Ways:
    x = asked.question.images
    wrapped = module("foolbox").PyTorchModel(asked.model, bounds=(0, 1), device=x.device)
    return {"": partial(attack, wrapped, x, asked.question.target, epsilons=eps)}


def fgsm(asked: Asked) -> Ways:
    return attacked(module("foolbox").attacks.LinfFastGradientAttack(), asked.params.eps, asked)


def pgd(kind: str, asked: Asked) -> Ways:
    """Its L2 norm is no mean, ours is."""
    params: PgdParams = asked.params
    root = asked.question.images[0].numel() ** 0.5 if kind == "L2PGD" else 1.0
    attack = getattr(module("foolbox").attacks, kind)(
        rel_stepsize=STEP / params.steps,
        abs_stepsize=None if params.step is None else params.step * root,
        steps=params.steps,
        random_start=params.random_start,
    )
    return attacked(attack, params.eps * root, asked)


def forty(_: Question) -> dict[str, Any]:
    return {"steps": 40}


def deepfool(kind: str, asked: Asked) -> Ways:
    params: DeepFoolParams = asked.params
    attack = getattr(module("foolbox").attacks, kind)(
        steps=params.steps, candidates=params.classes, overshoot=params.overshoot
    )
    return attacked(attack, None, asked)


def same_pictures(asked: Asked, ours: Explanation, theirs: Found) -> dict[str, float]:
    """The share of pictures on which both succeed or both fail, how far the pictures are apart, and by how much our
    log-odds of the class lie above theirs: below 0 ours is the stronger attack.
    """
    if ours.perturbed is None:
        raise ValueError("an attack changes the picture")
    _, images, success = theirs
    with torch.no_grad():
        odds = [
            asked.model.log_odds(asked.model(pictures), asked.question.target) for pictures in (ours.perturbed, images)
        ]
    return {
        "same success": float((ours.numbers["goal_met"].bool() == success).float().mean()),
        "rmse between": float(rms(ours.perturbed - images).max()),
        "log-odds above theirs": float((odds[0] - odds[1]).mean()),
    }


ATTACKS = (
    ("fgsm", "LinfFastGradientAttack", fgsm, nothing),
    ("pgd-linf", "LinfPGD", partial(pgd, "LinfPGD"), forty),
    ("pgd-l2", "L2PGD", partial(pgd, "L2PGD"), forty),
    ("deepfool-linf", "LinfDeepFoolAttack", partial(deepfool, "LinfDeepFoolAttack"), nothing),
    ("deepfool-l2", "L2DeepFoolAttack", partial(deepfool, "L2DeepFoolAttack"), nothing),
)
RIVALS = tuple(
    Rival(name, "foolbox", f"{what}{', parameters frozen' if frozen else ''}", ways, same_pictures, settings, frozen)
    for name, what, ways, settings in ATTACKS
    for frozen in (False, True)
)
"""Its gradient is also that of the parameters, where they ask for one, as loaded ones do."""
