"""foolbox's attacks with the same ε, steps and length of a step, on the class that the network decides on."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor

from explain_core.attacks.bounded import STEP, FgsmParams, PgdParams
from explain_core.attacks.deepfool import DeepFoolParams
from explain_core.bench.rivals.base import Rival, Ways, module
from explain_core.descent.projections import rms
from explain_core.models.classifier import Classifier
from explain_core.types import Explanation, Flags, Images, Question

Found = tuple[Images, Images, Flags]
"""Its raw and its clipped pictures, and which of them fool the network."""


def attacked(attack: Any, eps: float | None, model: Classifier, question: Question) -> Ways:
    wrapped = module("foolbox").PyTorchModel(model, bounds=(0, 1), device=question.images.device)
    return {"": partial(attack, wrapped, question.images, question.target, epsilons=eps)}


def fgsm(model: Classifier, question: Question, params: FgsmParams) -> Ways:
    return attacked(module("foolbox").attacks.LinfFastGradientAttack(), params.eps, model, question)


def pgd(kind: str, model: Classifier, question: Question, params: PgdParams) -> Ways:
    """Its L2 norm is no mean, ours is."""
    root = question.images[0].numel() ** 0.5 if kind == "L2PGD" else 1.0
    attack = getattr(module("foolbox").attacks, kind)(
        rel_stepsize=STEP / params.steps,
        abs_stepsize=None if params.step is None else params.step * root,
        steps=params.steps,
        random_start=params.random_start,
    )
    return attacked(attack, params.eps * root, model, question)


def deepfool(kind: str, model: Classifier, question: Question, params: DeepFoolParams) -> Ways:
    attack = getattr(module("foolbox").attacks, kind)(
        steps=params.steps, candidates=params.classes, overshoot=params.overshoot
    )
    return attacked(attack, None, model, question)


def same_pictures(question_of: Explanation, theirs: Found, _: Any) -> dict[str, float]:
    """The share of pictures on which both succeed or both fail, and the furthest that a pixel is apart."""
    assert question_of.perturbed is not None
    _, images, success = theirs
    met: Tensor = question_of.numbers["goal_met"].bool()
    apart = question_of.perturbed - images
    return {
        "same success": float((met == success).float().mean()),
        "largest pixel difference": float(apart.abs().max()),
        "rmse between": float(rms(apart).max()),
    }


ATTACKS = (
    ("fgsm", "LinfFastGradientAttack", fgsm),
    ("pgd-linf", "LinfPGD", partial(pgd, "LinfPGD")),
    ("pgd-l2", "L2PGD", partial(pgd, "L2PGD")),
    ("deepfool-linf", "LinfDeepFoolAttack", partial(deepfool, "LinfDeepFoolAttack")),
    ("deepfool-l2", "L2DeepFoolAttack", partial(deepfool, "L2DeepFoolAttack")),
)
RIVALS = tuple(
    Rival(name, "foolbox", f"{what}{', parameters frozen' if frozen else ''}", ways, same_pictures, frozen)
    for name, what, ways in ATTACKS
    for frozen in (False, True)
)
"""Its gradient is also that of the parameters, where they ask for one, as loaded ones do."""
