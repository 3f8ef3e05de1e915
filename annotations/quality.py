"""How good a campaign's answers are: agreement, each rater's gold items and repeats, and how the answers fell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from annotations.agreement import AGREEMENT, Outcome, Ratings, Resampling, Share, gold_accuracy, self_consistency
from annotations.campaigns import Campaigns
from annotations.database import Database
from annotations.export import read_labels
from annotations.questions import get_question


@dataclass(frozen=True)
class Quality:
    """By statistic, by rater, by answer; only answers that count, and of agreement only items that were asked."""

    agreement: Mapping[str, Outcome]
    gold: Mapping[str, Share]
    consistency: Mapping[str, Share]
    answers: Mapping[str, int]
    late: int


def quality(database: Database, campaign: str, resampling: Resampling | None = None) -> Quality:
    """Raises InputError, StoreError."""
    question = get_question(Campaigns(database).get(campaign).question)
    answers = sorted(question.answers, key=lambda one: one.scale)
    names = [one.name for one in answers]
    found = [label for label in read_labels(database, campaign) if label.counts and label.answer is not None]
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
