"""What happened to each row, in words: whether the ball was used, and whether the decision fell."""

from __future__ import annotations

from torch import Tensor

from explain_core.models.classifier import Classifier
from explain_core.types import Labels, Logits, PerRow

NEARLY = 0.98  # of ρ counts as having reached the ball's edge


def reach(reached: PerRow, rho: PerRow | None) -> list[str]:
    """How much of the ball each row used."""
    if rho is None:
        return [f"RMSE {used:.4g} without a bound." for used in reached.tolist()]
    pairs = zip(reached.tolist(), rho.tolist(), strict=True)
    return [
        f"Used the whole ball (RMSE {used:.4g})."
        if used >= NEARLY * bound
        else f"Stayed inside the ball (RMSE {used:.4g} of {bound:.4g})."
        for used, bound in pairs
    ]


def decision(model: Classifier, target: Labels, before: Logits, after: Logits) -> list[str]:
    """Whether the target stopped, or started, being the decision."""
    was, now = model.margin(before, target) > 0, model.margin(after, target) > 0
    return [_change(a, b) for a, b in zip(was.tolist(), now.tolist(), strict=True)]


def _change(was: bool, now: bool) -> str:
    if was == now:
        return "The class is still the decision." if now else "The class is still not the decision."
    return "The class became the decision." if now else "The class is no longer the decision."


def still(change: Tensor) -> list[bool]:
    """Rows in which no pixel changed."""
    return [not moved for moved in change.flatten(1).any(1).tolist()]
