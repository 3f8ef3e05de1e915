"""The form of a step: what is asked, and the answers as they stand; nothing is chosen before a reader chooses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from annotations.reading.answers import FINAL, UNAIDED, Form
from annotations.reading.lexicon import CASE, FINDING, Field
from pages.parts.reading.drawn import FINDINGS, Region

RATINGS = {1: "1 not at all", 2: "2 little", 3: "3 middling", 4: "4 well", 5: "5 fully"}
SURE = {1: "1 guessed", 2: "2", 3: "3", 4: "4", 5: "5 certain"}
PARTS = {"missing": "is missing", "misleading": "is misleading"}


@dataclass(frozen=True)
class Sheet:
    """A step's form under a key of its own; `start` are answers to begin with: a draft's, or those to be amended."""

    key: str
    form: Form
    start: Mapping[str, Any]

    def ask(self, drawn: Sequence[Region]) -> dict[str, Any]:
        """The answers as they stand."""
        answers = self._scored("case", self.start, CASE, "Suspicion of malignancy of the case, 0 to 100")
        answers |= self._findings([region for region in drawn if region.role == FINDINGS])
        if self.form.step == UNAIDED and self.form.letters:
            answers["trust"] = self._trusts()
        if self.form.step == FINAL and self.form.letters:
            said = {letter: self._explanation(letter, drawn) for letter in self.form.letters}
            answers["explanations"] = {letter: each for letter, each in said.items() if each}
        return {name: value for name, value in answers.items() if value != {}}

    def _scored(self, name: str, start: Mapping[str, Any], about: str, score: str) -> dict[str, Any]:
        """Coded fields, score and confidence of the case or of a finding."""
        fields: dict[str, Any] = {}
        for field in self.form.lexicon.about(about).values():
            if field.asked(fields):
                code = self._choice(f"{name}-{field.name}", field, start.get("fields", {}).get(field.name))
                if code is not None:
                    fields[field.name] = code
        answers: dict[str, Any] = {"fields": fields}
        with st.container(horizontal=True, vertical_alignment="bottom"):
            self._put(answers, "score", self._number(f"{name}-score", score, start.get("score")))
            told = self._rating(f"{name}-confidence", "Confidence", SURE, start.get("confidence"))
            self._put(answers, "confidence", told)
        return answers

    def _findings(self, found: Sequence[Region]) -> dict[str, Any]:
        st.markdown("**Findings**: draw each on a film")
        none = self._tick("no-findings", "There is no finding", self.start.get("findings") == [], bool(found))
        rows = []
        for number, region in enumerate(found, 1):
            with st.expander(f"Finding {number} ({region.kind})", expanded=True):
                about = self._scored(region.id, region.told, FINDING, "Its suspicion of malignancy, 0 to 100")
                rows.append({"film": region.film, "shape": region.shape, **about})
        return {"findings": rows} if rows or none else {}

    def _trusts(self) -> dict[str, Any]:
        st.markdown("**Before an explanation is seen**")
        trust: dict[str, Any] = {}
        for letter in self.form.letters:
            words = f"How far would you trust explanation {letter}, 0 to 100"
            self._put(trust, letter, self._number(f"trust-{letter}", words, self.start.get("trust", {}).get(letter)))
        return trust

    def _explanation(self, letter: str, drawn: Sequence[Region]) -> dict[str, Any]:
        start = self.start.get("explanations", {}).get(letter, {})
        said: dict[str, Any] = {}
        st.markdown(f"**Explanation {letter}**")
        plausible = self._rating(
            f"{letter}-plausible", f"Is the place that {letter} marks plausible", RATINGS, start.get("plausible")
        )
        self._put(said, "plausible", plausible)
        for part, words in PARTS.items():
            regions = [one for one in drawn if one.role == f"{letter} {part}"]
            none = self._tick(
                f"{letter}-no-{part}", f"Nothing {words} in {letter}", start.get(part) == [], bool(regions)
            )
            if regions or none:
                said[part] = [{"film": one.film, "shape": one.shape} for one in regions]
        self._put(
            said, "trust", self._number(f"{letter}-trust", f"Trust in {letter} now, 0 to 100", start.get("trust"))
        )
        return said

    def _choice(self, name: str, field: Field, start: Any) -> Any:
        words = {choice.code: choice.words for choice in field.choices}
        self._begin(name, start)
        return st.radio(
            field.title,
            list(words),
            index=None,
            format_func=words.__getitem__,
            key=f"{self.key}-{name}",
            horizontal=True,
        )

    def _rating(self, name: str, title: str, words: Mapping[int, str], start: Any) -> Any:
        self._begin(name, start)
        return st.radio(
            title, list(words), index=None, format_func=words.__getitem__, key=f"{self.key}-{name}", horizontal=True
        )

    def _number(self, name: str, title: str, start: Any) -> Any:
        self._begin(name, start)
        return st.number_input(title, 0, 100, value=None, step=1, key=f"{self.key}-{name}", width=280)

    def _tick(self, name: str, title: str, start: bool, drawn: bool) -> bool:
        """An answer that says none; where something is drawn it says nothing."""
        self._begin(name, start or None)
        return bool(st.checkbox(title, key=f"{self.key}-{name}", disabled=drawn)) and not drawn

    def _begin(self, name: str, value: Any) -> None:
        key = f"{self.key}-{name}"
        if value is not None and key not in st.session_state:
            st.session_state[key] = value

    @staticmethod
    def _put(answers: dict[str, Any], name: str, value: Any) -> None:
        if value is not None:
            answers[name] = value
