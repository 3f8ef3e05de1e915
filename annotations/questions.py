"""What raters are asked.  To add a question: its row in QUESTIONS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from explain_core.errors import InputError, suggest


@dataclass(frozen=True)
class Answer:
    """`scale` orders answers for weighted agreement; `weight` is what counts in training by default."""

    name: str
    title: str
    key: str
    scale: float
    weight: float = 1.0


@dataclass(frozen=True)
class Question:
    """`text` may name the item's class; `shapes` lets raters draw ellipses; `citation` is where it comes from."""

    name: str
    text: str
    answers: tuple[Answer, ...]
    citation: str
    shapes: bool = False

    @property
    def accepted(self) -> str:
        """The answer at the beginning of the scale: what it is said of may be trained on."""
        return min(self.answers, key=lambda one: one.scale).name

    @property
    def unsure(self) -> str:
        """The answer that weighs nothing, which conflicting answers come to as well."""
        return min(self.answers, key=lambda one: one.weight).name

    def answer(self, name: str) -> Answer:
        """Raises InputError for an answer that the question does not have."""
        for one in self.answers:
            if one.name == name:
                return one
        raise InputError(f"Answer {name!r}: {suggest(name, [one.name for one in self.answers])}")


ROWS = (
    Question(
        "unchanged",
        "The picture on the left shows “{class_name}”. Does the changed one beside it still?",
        (
            Answer("unchanged", "Unchanged", "1", 0),
            Answer("unsure", "Unsure", "2", 1, weight=0),
            Answer("changed", "No longer the original class", "3", 2),
        ),
        "Woods, Chen & Teuscher, Adversarial Explanations, Fig. 12.",
    ),
    Question(
        "right-thing",
        "Is the explanation of “{class_name}” on the right thing?",
        (
            Answer("right", "On the right thing", "1", 0),
            Answer("partly", "Only in part: something is missing or too much", "2", 1),
            Answer("misleading", "On the wrong thing", "3", 2),
            Answer("unsure", "Unsure", "4", 1, weight=0),
        ),
        "Location, sufficiency and misleading parts; Rhoscope's own wording.",
        shapes=True,
    ),
    Question(
        "better",
        "Which of the two explains “{class_name}” better?",
        (
            Answer("left", "The left one", "1", 0),
            Answer("equal", "Equally good", "2", 1),
            Answer("right", "The right one", "3", 2),
            Answer("unsure", "Unsure", "4", 1, weight=0),
        ),
        "Forced choice between two methods whose names are hidden.",
    ),
)
QUESTIONS: Mapping[str, Question] = MappingProxyType({row.name: row for row in ROWS})


def get_question(name: str) -> Question:
    """Raises InputError for a question that there is not."""
    if name not in QUESTIONS:
        raise InputError(f"Question {name!r}: {suggest(name, QUESTIONS)}")
    return QUESTIONS[name]
