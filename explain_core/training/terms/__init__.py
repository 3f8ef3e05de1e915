"""The table of what a recipe is made of.  To add a term: write its file, add its row.

Rows stand in the order in which they act on a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from explain_core.errors import ParamError, suggest
from explain_core.training.terms import (
    adversarial,
    augment,
    classification,
    deform,
    depth,
    lipschitz,
    noise,
    output_zeroing,
    penalties,
    shakedrop,
)
from explain_core.training.terms.base import Setting, Term, TermRow

__all__ = ["TERMS", "Setting", "Term", "TermRow", "get_term"]

ROWS: tuple[TermRow, ...] = (
    augment.RANDOM_SCALE,
    augment.CROP_AND_FLIP,
    deform.ROW,
    adversarial.ROW,
    noise.GAUSSIAN,
    noise.MODULATION,
    depth.ROW,
    shakedrop.ROW,
    classification.ROW,
    lipschitz.ROW,
    output_zeroing.ROW,
    penalties.KERNELS,
    penalties.ACTIVITY,
)

TERMS: Mapping[str, TermRow] = MappingProxyType({row.name: row for row in ROWS})


def get_term(name: str) -> TermRow:
    """The row of that name; raises ParamError."""
    if name not in TERMS:
        raise ParamError(f"No term {name!r}: {suggest(name, TERMS)}")
    return TERMS[name]
