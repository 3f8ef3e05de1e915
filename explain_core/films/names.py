"""Which view a picture shows, guessed by its file's name; a person has to confirm it."""

from __future__ import annotations

import re

from explain_core.dicom.views import VIEWS

SIDES = {"L": "L", "LEFT": "L", "R": "R", "RIGHT": "R"}
_VIEWS = {name.upper(): name for name in VIEWS if name != "specimen"}
_BOTH = re.compile(rf"(L|R|LEFT|RIGHT)({'|'.join(sorted(_VIEWS, key=len, reverse=True))})")


def guess(stem: str) -> tuple[str, str, str]:
    """Laterality, view and what is left of the name; empty where it does not tell.

    >>> guess("P_00042_LEFT_MLO")
    ('L', 'MLO', 'P_00042')
    >>> guess("rcc-2")
    ('R', 'CC', '2')
    >>> guess("mdb001")
    ('', '', 'mdb001')
    """
    sides, views, rest = [], [], []
    for word in re.split(r"[^A-Za-z0-9]+", stem):
        both = _BOTH.fullmatch(word.upper())
        if both:
            sides.append(SIDES[both[1]])
            views.append(_VIEWS[both[2]])
        elif word.upper() in SIDES:
            sides.append(SIDES[word.upper()])
        elif word.upper() in _VIEWS:
            views.append(_VIEWS[word.upper()])
        elif word:
            rest.append(word)
    return _only(sides), _only(views), "_".join(rest)


def _only(found: list[str]) -> str:
    return found[0] if len(set(found)) == 1 else ""
