"""What a step of a read holds, checked where it comes in.

    {"fields": {"density": "129717001", "assessment": "397141009"}, "score": 12, "confidence": 4,
     "findings": [{"film": "0f3c…", "shape": {"ellipse": {…}}, "fields": {"kind": "129788004", …}, "score": 40,
                   "confidence": 3}],
     "trust": {"A": 50},                                                        in the unaided step, before A is seen
     "explanations": {"A": {"plausible": 4, "missing": [], "misleading": [{"film": …, "shape": {…}}], "trust": 70}}}

`score` is the suspicion of malignancy, 0 to 100, of the case and of each finding; `confidence` and `plausible` go from
1 to 5, `trust` from 0 to 100.  What is not there is not answered, and nothing stands for it: `findings: []` says that
there is none.  A draft may lack anything; a step that is locked lacks nothing, and `lacking` says what it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from annotations.reading.lexicon import CASE, FINDING, Field, Lexicon
from explain_core.errors import InputError
from explain_core.shapes import shape_of

UNAIDED, FINAL = STEPS = ("unaided", "final")
SCORE, RATING = (0, 100), (1, 5)
MOST_FINDINGS, MOST_BYTES = 50, 1 << 19


@dataclass(frozen=True)
class Form:
    """What is asked at a step: of which films, (h, w) by name, and about which explanations, by their letters."""

    lexicon: Lexicon
    step: str
    films: Mapping[str, tuple[int, int]]
    letters: tuple[str, ...]

    def check(self, answers: Mapping[str, Any]) -> None:
        """Raises InputError for anything that is no answer to what is asked; what is missing may be."""
        parts = {"fields", "score", "confidence", "findings"} | (
            {"trust"} if self.step == UNAIDED else {"explanations"}
        )
        _table(answers, parts, "A read")
        if len(json.dumps(answers)) > MOST_BYTES:
            raise InputError(f"A read of more than {MOST_BYTES >> 10} KiB: draw with fewer points.")
        self._check_scored(answers, CASE, "The case")
        findings = answers.get("findings", [])
        if not isinstance(findings, list) or len(findings) > MOST_FINDINGS:
            raise InputError(f"findings is no list of at most {MOST_FINDINGS}.")
        for number, finding in enumerate(findings, 1):
            _table(finding, {"film", "shape", "fields", "score", "confidence"}, f"Finding {number}")
            self._check_region(finding, f"Finding {number}")
            self._check_scored(finding, FINDING, f"Finding {number}")
        for letter, trust in self._by_letter(answers, "trust"):
            _number(trust, SCORE, f"Trust in explanation {letter}")
        for letter, told in self._by_letter(answers, "explanations"):
            self._check_explanation(told, f"Explanation {letter}")

    def lacking(self, answers: Mapping[str, Any]) -> list[str]:
        """What is not answered yet, a few words each, in the order of the form."""
        return list(self._lacking(answers))

    def _lacking(self, answers: Mapping[str, Any]) -> Iterator[str]:
        yield from self._lacks(answers, CASE, "")
        if "findings" not in answers:
            yield "findings, or that there are none"
        for number, finding in enumerate(answers.get("findings", ()), 1):
            yield from self._lacks(finding, FINDING, f"finding {number}: ")
        for letter in self.letters:
            if self.step == UNAIDED:
                if letter not in answers.get("trust", {}):
                    yield f"trust in explanation {letter} before it is seen"
                continue
            told = answers.get("explanations", {}).get(letter, {})
            for part, words in EXPLANATION.items():
                if part not in told:
                    yield f"explanation {letter}: {words}"

    def _lacks(self, given: Mapping[str, Any], about: str, where: str) -> Iterator[str]:
        fields = given.get("fields", {})
        for name, field in self.lexicon.about(about).items():
            if field.asked(fields) and name not in fields:
                yield f"{where}{field.title.lower()}"
        for part, words in {"score": "suspicion of malignancy", "confidence": "confidence"}.items():
            if part not in given:
                yield f"{where}{words}"

    def _check_scored(self, given: Mapping[str, Any], about: str, where: str) -> None:
        if "score" in given:
            _number(given["score"], SCORE, f"{where}: the suspicion of malignancy")
        if "confidence" in given:
            _whole(given["confidence"], RATING, f"{where}: the confidence")
        fields, known = given.get("fields", {}), self.lexicon.about(about)
        _table(fields, set(known), f"{where}: fields")
        for name, code in fields.items():
            _check_code(code, known[name], fields, where)

    def _check_region(self, region: Mapping[str, Any], where: str) -> None:
        """On a film of the case, and some of it inside the picture."""
        size = self.films.get(str(region.get("film")))
        if size is None:
            raise InputError(f"{where} is on no film of this case: draw it on one of the films that are shown.")
        points = shape_of(region.get("shape", {})).outline()
        columns, rows = [x for x, _ in points], [y for _, y in points]
        if min(columns) >= size[1] or max(columns) <= 0 or min(rows) >= size[0] or max(rows) <= 0:
            raise InputError(f"{where} lies outside its film of {size[1]} × {size[0]} pixels: draw it on the picture.")

    def _check_explanation(self, told: Any, where: str) -> None:
        _table(told, set(EXPLANATION), where)
        if "plausible" in told:
            _whole(told["plausible"], RATING, f"{where}: plausible")
        if "trust" in told:
            _number(told["trust"], SCORE, f"{where}: trust")
        for part in ("missing", "misleading"):
            regions = told.get(part, [])
            if not isinstance(regions, list) or len(regions) > MOST_FINDINGS:
                raise InputError(f"{where}: {part} is no list of at most {MOST_FINDINGS} regions.")
            for region in regions:
                _table(region, {"film", "shape"}, f"{where}: a {part} part")
                self._check_region(region, f"{where}: a {part} part")

    def _by_letter(self, answers: Mapping[str, Any], part: str) -> Iterator[tuple[str, Any]]:
        given = answers.get(part, {})
        _table(given, set(self.letters), f"{part}")
        yield from given.items()


EXPLANATION = {
    "plausible": "how plausible its place is",
    "missing": "missing parts, or that there are none",
    "misleading": "misleading parts, or that there are none",
    "trust": "trust after it was seen",
}
"""What is asked about each explanation."""


def _check_code(code: Any, field: Field, given: Mapping[str, Any], where: str) -> None:
    if code not in field.codes:
        raise InputError(f"{where}: {field.name} is {str(code)[:40]!r}, and there are {', '.join(field.codes)}.")
    if not field.asked(given):
        raise InputError(f"{where}: {field.name} is only asked after another answer: leave it out.")


def _table(values: Any, names: set[str], where: str) -> None:
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: a table of {', '.join(sorted(names))} is wanted, not {str(values)[:40]!r}.")
    for name in values:
        if name not in names:
            raise InputError(f"{where}: nobody asked for {str(name)[:40]!r}; there is {', '.join(sorted(names))}.")


def _number(value: Any, within: tuple[int, int], what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not within[0] <= value <= within[1]:
        raise InputError(f"{what} is {str(value)[:40]!r}: a number from {within[0]} to {within[1]} is wanted.")


def _whole(value: Any, within: tuple[int, int], what: str) -> None:
    _number(value, within, what)
    if value != int(value):
        raise InputError(f"{what} is {value!r}: a whole number from {within[0]} to {within[1]} is wanted.")
