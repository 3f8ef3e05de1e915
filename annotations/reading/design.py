"""Who reads what when: every reader reads every case in every arm, in an order of the reader's own seed.

There are as many sessions as arms.  A session holds each case once, with the arms mixed and each on as many cases as
the others (± 1); over the sessions a case meets every arm.  Between sessions is the washout.  Practice cases come
first, as session 0, each once, the arms by turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase

import numpy as np

from explain_core.errors import InputError

MOST_METHODS = len(ascii_uppercase)
Place = tuple[int, str, str]
"""A session, a case, an arm."""


def seed_of(study: int, place: int) -> int:
    """The seed of the reader at a place of a study of this seed."""
    return int(np.random.default_rng([study, place]).integers(2**31))


def order(cases: Sequence[str], practice: Sequence[str], arms: Sequence[str], seed: int) -> list[Place]:
    """All that a reader reads, in order."""
    draw = np.random.default_rng([seed, 0])
    placed: list[Place] = [(0, name, arms[number % len(arms)]) for number, name in enumerate(practice)]
    turns = np.resize(np.arange(len(arms)), len(cases))
    first = dict(zip(cases, draw.permutation(turns).tolist(), strict=True))
    ways = draw.permutation(len(arms)).tolist()
    for session in range(len(arms)):
        for number in draw.permutation(len(cases)).tolist():
            name = cases[number]
            placed.append((session + 1, name, arms[ways[(first[name] + session) % len(arms)]]))
    return placed


def masks(methods: Sequence[str], seed: int) -> dict[str, str]:
    """A letter for each method, drawn anew for each reader; raises InputError for more methods than letters."""
    if len(methods) > MOST_METHODS:
        raise InputError(f"{len(methods)} methods: a study has at most {MOST_METHODS}.")
    places = np.random.default_rng([seed, 1]).permutation(len(methods)).tolist()
    return {methods[place]: ascii_uppercase[number] for number, place in enumerate(places)}
