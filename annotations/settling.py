"""How several answers about an item become one.  To add a rule: its function below, and its row in RULES.

Where a rule comes to nothing the item is unsure: conflicting answers weigh nothing (AE, §III-H).  A named person's
decision goes before every rule.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from sqlalchemy.orm import Session

from annotations.adjudication import Decision, decisions
from annotations.campaigns import found
from annotations.database import Database
from annotations.export import Label, labels_of
from annotations.questions import Question, get_question
from annotations.tables import CampaignRow
from explain_core.errors import InputError, suggest


@dataclass(frozen=True)
class Vote:
    """An answer of somebody who answered `right` of `of` gold items of this campaign as known."""

    answer: str
    right: int = 0
    of: int = 0


@dataclass(frozen=True)
class Weighed:
    """The weight of each answer that was given, and the answer that they come to, or None."""

    weights: Mapping[str, Fraction]
    answer: str | None


@dataclass(frozen=True)
class Rule:
    name: str
    title: str
    summary: str
    function: Callable[[Sequence[Vote]], Weighed]


@dataclass(frozen=True)
class Settled:
    """What is held of an item: `answer` by a person's decision (`decided`) or by a rule.

    `weights` are those of the answers that were given, `keys` of their labels, in order.
    """

    item: str
    class_name: str
    answer: str
    weights: Mapping[str, float]
    keys: tuple[str, ...]
    decided: bool


def majority(votes: Sequence[Vote]) -> Weighed:
    return _more_than_half(votes, lambda _: Fraction(1))


def unanimous(votes: Sequence[Vote]) -> Weighed:
    weights = majority(votes).weights
    return Weighed(weights, next(iter(weights)) if len(weights) == 1 else None)


def weighted(votes: Sequence[Vote]) -> Weighed:
    """(right + 1)/(of + 2), Laplace's rule of succession: 1/2 for somebody who has had no gold item yet."""
    return _more_than_half(votes, lambda vote: Fraction(vote.right + 1, vote.of + 2))


def _more_than_half(votes: Sequence[Vote], weigh: Callable[[Vote], Fraction]) -> Weighed:
    """Weights are fractions: their order makes no difference, and equal ones are equal."""
    weights: dict[str, Fraction] = defaultdict(Fraction)
    for vote in votes:
        weights[vote.answer] += weigh(vote)
    half = sum(weights.values(), Fraction()) / 2
    return Weighed(weights, next((answer for answer, weight in weights.items() if weight > half), None))


ROWS = (
    Rule("majority", "Majority", "What more than half of those who answered say.", majority),
    Rule("unanimous", "Unanimous", "What all say who answered.", unanimous),
    Rule("weighted", "Weighted", "More than half of the weight; who gets gold items right weighs more.", weighted),
)
RULES: Mapping[str, Rule] = MappingProxyType({row.name: row for row in ROWS})


def get_rule(name: str) -> Rule:
    """Raises InputError for a rule that there is not."""
    if name not in RULES:
        raise InputError(f"Rule {name!r}: {suggest(name, RULES)}")
    return RULES[name]


def settle(database: Database, campaign: str, rule: str) -> list[Settled]:
    """Of each item that was asked and has an answer or a decision, by its name; raises InputError, StoreError."""
    with database.read() as session:
        return settle_in(session, found(session, campaign), rule)


def settle_in(session: Session, row: CampaignRow, rule: str) -> list[Settled]:
    """As `settle`, in a transaction."""
    return settled(get_question(row.question), labels_of(session, row), rule, decisions(session, row))


def settled(question: Question, labels: Sequence[Label], rule: str, decided: Mapping[str, Decision]) -> list[Settled]:
    """Of all labels of a campaign, and the decisions that stand."""
    function, counting = get_rule(rule).function, [label for label in labels if label.counts]
    right, of = _gold(counting)
    given: dict[str, list[Label]] = defaultdict(list)
    for label in counting:
        if label.kind == "ask":
            given[label.item].append(label)
    classes = {item: found[0].class_name for item, found in given.items()}
    classes |= {item: decision.class_name for item, decision in decided.items()}
    return [
        _settled(
            question, item, class_name, decided.get(item), given[item],
            function([Vote(str(one.answer), right[one.rater], of[one.rater]) for one in given[item]]),
        )
        for item, class_name in sorted(classes.items())
    ]  # fmt: skip


def _settled(
    question: Question, item: str, class_name: str, decision: Decision | None, given: Sequence[Label], weighed: Weighed
) -> Settled:
    answer = decision.answer if decision else weighed.answer
    weights = {one.name: float(weighed.weights[one.name]) for one in question.answers if one.name in weighed.weights}
    keys = tuple(sorted(label.key for label in given))
    return Settled(item, class_name, answer or question.unsure, weights, keys, decision is not None)


def _gold(counting: Sequence[Label]) -> tuple[Counter[str], Counter[str]]:
    """Of each rater, how many gold items were answered as known, and how many at all."""
    gold = [label for label in counting if label.kind == "gold"]
    return Counter(one.rater for one in gold if one.answer == one.truth), Counter(one.rater for one in gold)
