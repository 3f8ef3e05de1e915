"""Several answers become one, whatever their order; a named person's decision goes before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotations.adjudication import Decision
from annotations.export import Label
from annotations.questions import QUESTIONS, get_question
from annotations.settling import RULES, Settled, settled
from explain_core.errors import InputError

UNCHANGED = get_question("unchanged")
ANSWERS = [one.name for one in UNCHANGED.answers]
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def label(item: str, rater: str, answer: str | None, kind: str = "ask", truth: str | None = None) -> Label:
    return Label(
        "cats", item, "cat", kind, None, truth, rater, answer, f"{item} {rater}", MOMENT.isoformat(), False, False, "",
        None, {}, None, answer is not None,
    )  # fmt: skip


def one(rule: str, *answers: str, gold: Sequence[Label] = ()) -> Settled:
    """What r0, r1, … come to who answer about one item."""
    labels = [label("a", f"r{number}", answer) for number, answer in enumerate(answers)]
    (found,) = settled(UNCHANGED, [*labels, *gold], rule, {})
    return found


def gold(rater: str, right: int, of: int) -> list[Label]:
    return [
        label(f"g{number}", rater, "changed" if number < right else "unsure", "gold", "changed") for number in range(of)
    ]


@pytest.mark.parametrize(
    ("answers", "majority", "unanimous"),
    [
        ("u", "unchanged", "unchanged"),
        ("uu", "unchanged", "unchanged"),
        ("uc", "unsure", "unsure"),
        ("uuc", "unchanged", "unsure"),
        ("ucs", "unsure", "unsure"),
        ("uucc", "unsure", "unsure"),
        ("uucs", "unsure", "unsure"),
        ("ccsc", "changed", "unsure"),
        ("ss", "unsure", "unsure"),
    ],
)
def test_what_answers_come_to(answers: str, majority: str, unanimous: str) -> None:
    given = [{"u": "unchanged", "c": "changed", "s": "unsure"}[letter] for letter in answers]
    assert one("majority", *given).answer == majority
    assert one("unanimous", *given).answer == unanimous
    assert one("weighted", *given).answer == majority  # nobody has had a gold item: all weigh the same


def test_who_gets_gold_items_right_weighs_more() -> None:
    """r0 weighs (8 + 1)/(8 + 2) = 0.9; r1 and r2, who got none of 3 and of 8 right, 1/5 and 1/10."""
    known = [*gold("r0", 8, 8), *gold("r1", 0, 3), *gold("r2", 0, 8)]
    found = one("weighted", "unchanged", "changed", "changed", gold=known)
    assert found.answer == "unchanged"
    assert found.weights == pytest.approx({"unchanged": 0.9, "changed": 0.3})
    assert one("majority", "unchanged", "changed", "changed", gold=known).answer == "changed"


def test_weights_that_are_equal_as_fractions_are_equal() -> None:
    """1/10 + 1/5 against 3/10, which floating point would call less."""
    known = [*gold("r0", 0, 8), *gold("r1", 0, 3), *gold("r2", 2, 8)]
    assert one("weighted", "unchanged", "unchanged", "changed", gold=known).answer == "unsure"


def test_only_answers_that_count_about_items_that_were_asked() -> None:
    taken_back = label("a", "r0", None)
    assert settled(UNCHANGED, [taken_back, *gold("r1", 1, 2)], "majority", {}) == []


def test_a_decision_goes_before_every_rule() -> None:
    made = {name: Decision(name, "dog", "changed", "ada", "", MOMENT) for name in ("a", "b")}
    for rule in RULES:
        a, b = settled(UNCHANGED, [label("a", "r0", "unchanged"), label("a", "r1", "unchanged")], rule, made)
        assert (a.answer, a.decided, a.keys) == ("changed", True, ("a r0", "a r1"))
        assert (b.item, b.class_name, b.answer, b.decided, b.keys, b.weights) == ("b", "dog", "changed", True, (), {})


def test_each_question_has_its_own_word_for_unsure() -> None:
    assert {name: (row.accepted, row.unsure) for name, row in QUESTIONS.items()} == {
        "unchanged": ("unchanged", "unsure"), "right-thing": ("right", "unsure"), "better": ("left", "unsure"),
    }  # fmt: skip


def test_a_rule_that_there_is_not() -> None:
    with pytest.raises(InputError, match="did you mean 'majority'"):
        settled(UNCHANGED, [], "majorty", {})


VOTES = st.lists(st.tuples(st.sampled_from(ANSWERS), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=7)


@given(VOTES, st.randoms(use_true_random=False), st.sampled_from(sorted(RULES)))
def test_the_order_of_raters_changes_nothing(votes: list[tuple[str, int, int]], draw: st.DrawFn, rule: str) -> None:
    labels = [label("a", f"r{number}", answer) for number, (answer, _, _) in enumerate(votes)]
    for number, (_, right, wrong) in enumerate(votes):
        labels += gold(f"r{number}", right, right + wrong)
    mixed = list(labels)
    draw.shuffle(mixed)  # type: ignore[attr-defined]
    (found,), (again,) = settled(UNCHANGED, labels, rule, {}), settled(UNCHANGED, mixed, rule, {})
    assert found == again
    assert found.answer in ANSWERS


@given(st.permutations(ANSWERS), st.integers(1, 4), st.sampled_from(sorted(RULES)))
def test_equal_votes_are_unsure(answers: list[str], each: int, rule: str) -> None:
    assert one(rule, *(answers[:2] * each)).answer == "unsure"


@given(VOTES)
def test_what_all_say_is_what_most_say(votes: list[tuple[str, int, int]]) -> None:
    answers = [answer for answer, _, _ in votes]
    if one("unanimous", *answers).answer != "unsure":
        assert one("majority", *answers).answer == one("unanimous", *answers).answer == answers[0]
