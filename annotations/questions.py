"""What raters are asked.  To add a question: its row in QUESTIONS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from explain_core.errors import InputError, suggest


@dataclass(frozen=True)
class Answer:
    """`scale` orders answers for weighted agreement; `weight` is what counts in training by default.

    `means` tells raters when to give it.
    """

    name: str
    title: str
    key: str
    scale: float
    weight: float = 1.0
    means: str = ""


ORIGINAL = ("original", "Original")


@dataclass(frozen=True)
class Question:
    """`text` may name the item's class; `citation` is where it comes from.

    `pictures` are those that every item has and raters see, in this order: name and caption.  `shapes` lets raters
    draw an ellipse.
    """

    name: str
    text: str
    answers: tuple[Answer, ...]
    citation: str
    pictures: tuple[tuple[str, str], ...] = (ORIGINAL, ("adversarial", "Changed"))
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
            Answer("unchanged", "Unchanged", "1", 0, means="You would still call it so, noise or not."),
            Answer("unsure", "Unsure", "2", 1, weight=0, means="It could be either, or you hesitate."),
            Answer("changed", "No longer the original class", "3", 2, means="It shows something else, or nothing."),
        ),
        "Woods, Chen & Teuscher, Adversarial Explanations, Fig. 12.",
    ),
    Question(
        "right-thing",
        "Is the explanation of “{class_name}” on the right thing?",
        (
            Answer("right", "On the right thing", "1", 0, means="It marks the thing, most of it, and little else."),
            Answer(
                "partly", "Only in part: something is missing or too much", "2", 1, means="It marks some, or too much."
            ),
            Answer("misleading", "On the wrong thing", "3", 2, means="It marks something else, and would mislead."),
            Answer("unsure", "Unsure", "4", 1, weight=0, means="You cannot tell."),
        ),
        "Location, sufficiency and misleading parts; Rhoscope's own wording.",
        pictures=(ORIGINAL, ("explanation", "Explanation")),
        shapes=True,
    ),
    Question(
        "better",
        "Which of the two explains “{class_name}” better?",
        (
            Answer("left", "The left one", "1", 0, means="It marks more of the thing, or less of what is around it."),
            Answer("equal", "Equally good", "2", 1, means="You would be as well served by either."),
            Answer("right", "The right one", "3", 2, means="It marks more of the thing, or less of what is around it."),
            Answer("unsure", "Unsure", "4", 1, weight=0, means="You cannot tell."),
        ),
        "Forced choice between two methods whose names are hidden.",
        pictures=(ORIGINAL, ("left", "Left"), ("right", "Right")),
    ),
)
QUESTIONS: Mapping[str, Question] = MappingProxyType({row.name: row for row in ROWS})


def get_question(name: str) -> Question:
    """Raises InputError for a question that there is not."""
    if name not in QUESTIONS:
        raise InputError(f"Question {name!r}: {suggest(name, QUESTIONS)}")
    return QUESTIONS[name]
