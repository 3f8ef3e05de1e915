"""What is drawn on a step's films: each region with what it is of, in this session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from annotations.reading.answers import FINAL, Form

FINDINGS = "a finding"


@dataclass(frozen=True)
class Region:
    """A shape on a film; `role` says of what it is, `told` is what was answered about it before."""

    id: str
    film: str
    shape: Mapping[str, Any]
    role: str
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return next(iter(self.shape))


def roles(form: Form) -> list[str]:
    """What can be drawn at a step."""
    parts = [f"{letter} {part}" for letter in form.letters for part in ("missing", "misleading")]
    return [FINDINGS, *(parts if form.step == FINAL else [])]


def known(key: str, start: Mapping[str, Any]) -> list[Region]:
    """What is drawn under this key; at first what the answers hold that it begins with."""
    found: list[Region] = st.session_state.setdefault(f"{key}-drawn", list(_of(start)))
    return found


def take_over(key: str, start: Mapping[str, Any]) -> None:
    """Draws the findings of other answers, and what was said of each, in the place of those that are drawn."""
    rest = [one for one in st.session_state.get(f"{key}-drawn", []) if one.role != FINDINGS]
    st.session_state[f"{key}-drawn"] = [*_of({"findings": start.get("findings", [])}, "before"), *rest]


def keep(key: str, form: Form, said: Mapping[str, Any] | None, role: str) -> None:
    """What the viewer tells: regions that are new are of this role, the others stay what they are."""
    before = {(one.film, one.id): one for one in st.session_state.get(f"{key}-drawn", [])}
    told = (said or {}).get("regions", {})
    made = [one for one in before.values() if one.film not in told]
    for film, regions in told.items():
        for region in regions if film in form.films else ():
            shape, name = {kind: value for kind, value in region.items() if kind != "id"}, str(region["id"])
            was = before.get((film, name))
            made.append(Region(name, film, shape, was.role if was else role, was.told if was else {}))
    st.session_state[f"{key}-drawn"] = made


def for_viewer(drawn: Sequence[Region]) -> dict[str, list[dict[str, Any]]]:
    """By film, as the viewer takes them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in drawn:
        found.setdefault(one.film, []).append({"id": one.id, **one.shape})
    return found


def _of(answers: Mapping[str, Any], name: str = "r") -> list[Region]:
    regions = [(FINDINGS, one) for one in answers.get("findings", ())]
    for letter, said in answers.get("explanations", {}).items():
        regions += [(f"{letter} {part}", one) for part in ("missing", "misleading") for one in said.get(part, ())]
    return [
        Region(f"{name}{number}", one["film"], one["shape"], role, one) for number, (role, one) in enumerate(regions)
    ]
