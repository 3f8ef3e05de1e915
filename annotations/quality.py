"""How good a campaign's answers are: agreement, each rater's gold items and repeats, and how the answers fell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from annotations.agreement import AGREEMENT, Outcome, Ratings, Resampling, Share, gold_accuracy, self_consistency
from annotations.export import Label
from annotations.questions import Question


@dataclass(frozen=True)
class Quality:
    """By statistic, by rater, by answer; only answers that count, and of agreement only items that were asked."""

    agreement: Mapping[str, Outcome]
    gold: Mapping[str, Share]
    consistency: Mapping[str, Share]
    answers: Mapping[str, int]
    late: int


def quality(question: Question, labels: Sequence[Label], resampling: Resampling | None = None) -> Quality:
    """Of all labels of a campaign."""
    answers = sorted(question.answers, key=lambda one: one.scale)
    names = [one.name for one in answers]
    found = [label for label in labels if label.counts and label.answer is not None]
    asked = {(label.item, label.rater): str(label.answer) for label in found if label.kind == "ask"}
    gold = {(label.item, label.rater): str(label.answer) for label in found if label.kind == "gold"}
    truth = {label.item: label.truth for label in found if label.kind == "gold" and label.truth is not None}
    repeated = [
        (label.repeats or label.item, label.rater, str(label.answer))
        for label in found
        if label.kind in ("ask", "repeat")
    ]
    ratings, asked_twice = Ratings.of(asked, names), resampling or Resampling()
    return Quality(
        {name: row.function(ratings, asked_twice) for name, row in AGREEMENT.items()},
        gold_accuracy(Ratings.of(gold, names), truth),
        self_consistency(repeated),
        Counter(str(label.answer) for label in found if label.kind == "ask"),
        sum(label.late for label in found),
    )
