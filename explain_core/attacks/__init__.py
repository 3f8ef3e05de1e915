"""The table of attacks.  To add one: write its file, add its row."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from explain_core.attacks import bounded, confident, deepfool, smallest
from explain_core.attacks.base import Attack
from explain_core.errors import ParamError, suggest

ROWS: tuple[Attack, ...] = (
    bounded.FGSM,
    bounded.PGD_LINF,
    bounded.PGD_L2,
    deepfool.L2,
    deepfool.LINF,
    smallest.ADV,
    smallest.BTR,
    confident.CONFIDENT,
)

ATTACKS: Mapping[str, Attack] = MappingProxyType({attack.name: attack for attack in ROWS})


def get_attack(name: str) -> Attack:
    """The row of that name; raises ParamError."""
    if name not in ATTACKS:
        raise ParamError(f"No attack {name!r}: {suggest(name, ATTACKS)}")
    return ATTACKS[name]
