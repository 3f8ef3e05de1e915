"""Agreement between raters: published examples, an independent implementation, and what is not defined."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from annotations.agreement import (
    AGREEMENT,
    MISSING,
    NOBODY,
    ONE_CATEGORY,
    Codes,
    Outcome,
    Ratings,
    Resampling,
    gold_accuracy,
    self_consistency,
    wilson,
)
from explain_core.errors import InputError, ParamError

FEW = Resampling(resamples=200)
THREE = ("unchanged", "unsure", "changed")


def table(rows: object, size: int) -> Ratings:
    """Ratings of a matrix of codes, (items, raters)."""
    codes = np.asarray(rows, np.int64)
    items, raters = (tuple(f"{sign}{i:04}" for i in range(n)) for sign, n in zip("ir", codes.shape, strict=True))
    return Ratings(codes, tuple(f"c{code}" for code in range(size)), items, raters)


def counted(rows: list[list[int]]) -> Ratings:
    """Ratings of a table of counts, (items, categories)."""
    return table([np.repeat(range(len(row)), row) for row in rows], len(rows[0]))


def crossed(rows: list[list[int]]) -> Ratings:
    """Ratings of two raters from their table of counts."""
    pairs = [(a, b) for a, row in enumerate(rows) for b, count in enumerate(row) for _ in range(count)]
    return table(pairs, len(rows))


def read(name: str, ratings: Ratings, resampling: Resampling = FEW) -> Outcome:
    return AGREEMENT[name].function(ratings, resampling)


def suits(name: str, raters: int) -> bool:
    return raters == 2 or not name.startswith("cohen")


COHEN_1960 = crossed([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
TEN_BY_FOURTEEN = counted(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)
KRIPPENDORFF_2011 = table(
    [
        [MISSING if answer == "." else int(answer) - 1 for answer in unit]
        for unit in zip("123321412...", "1233224125.3", ".3332342251.", "12332441251.", strict=True)
    ],
    5,
)


@pytest.mark.parametrize(
    ("name", "ratings", "expected", "within"),
    [
        ("per-cent", COHEN_1960, 0.70, 1e-12),
        ("cohen", COHEN_1960, 0.29 / 0.59, 1e-12),
        ("cohen-linear", COHEN_1960, 1 - 0.40 / 0.76, 1e-12),  # Σ|i−j|·O = 80/200; by chance .42 + 2·.17
        ("cohen-quadratic", COHEN_1960, 1 - 0.60 / 1.10, 1e-12),
        ("per-cent", TEN_BY_FOURTEEN, 0.378, 5e-4),
        ("fleiss", TEN_BY_FOURTEEN, 0.210, 5e-4),
        ("alpha", KRIPPENDORFF_2011, 0.743, 5e-4),
        ("alpha-ordinal", KRIPPENDORFF_2011, 0.815, 5e-4),
        ("alpha-interval", KRIPPENDORFF_2011, 0.849, 5e-4),
        ("fleiss", KRIPPENDORFF_2011, 0.76117, 5e-6),  # unequal numbers of answers: irrCAC 1.0, cac.raw4raters
    ],
)
def test_published_examples(name: str, ratings: Ratings, expected: float, within: float) -> None:
    found = read(name, ratings)
    assert found.value == pytest.approx(expected, abs=within)
    assert found.low is not None
    assert found.high is not None
    assert found.low < expected < found.high


def test_the_example_of_fleiss_himself() -> None:
    """30 patients, six psychiatrists: depression, personality disorder, schizophrenia, neurosis, other."""
    patients = (
        "444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 224445 "
        "333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 133333 555555"
    )
    ratings = table([[int(answer) - 1 for answer in patient] for patient in patients.split()], 5)
    assert read("fleiss", ratings).value == pytest.approx(0.430, abs=5e-4)


def test_the_shared_items_are_counted() -> None:
    found = read("alpha", KRIPPENDORFF_2011)
    assert (found.items, found.answers) == (11, 40)  # the twelfth unit has one answer


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_kappa_is_that_of_scikit_learn(weights: str | None) -> None:
    rng = np.random.default_rng(0)
    for size in (2, 3, 5):
        first = rng.integers(size, size=80)
        second = np.where(rng.random(80) < 0.5, first, rng.integers(size, size=80))
        expected = cohen_kappa_score(first, second, labels=list(range(size)), weights=weights)
        name = "cohen" + (f"-{weights}" if weights else "")
        assert read(name, table(np.stack([first, second], 1), size)).value == pytest.approx(expected, abs=1e-12)


def noisy(rng: np.random.Generator, items: int, raters: int, skill: float, size: int = 3) -> Codes:
    """Each rater gives the truth, uniform over the categories, with probability `skill`, else any other."""
    truth = rng.integers(size, size=(items, 1))
    slip = rng.integers(1, size, size=(items, raters))
    return np.where(rng.random((items, raters)) < skill, truth, (truth + slip) % size)


@pytest.mark.parametrize("name", AGREEMENT)
class TestEveryRow:
    def test_says_what_it_is(self, name: str) -> None:
        row = AGREEMENT[name]
        assert row.name == name
        assert all((row.title, row.citation, row.needs))

    def test_perfect_agreement_is_one(self, name: str) -> None:
        codes = np.repeat(np.arange(12)[:, None] % 3, 2, axis=1)
        found = read(name, table(codes, 3))
        assert (found.value, found.low, found.high) == (1, 1, 1)

    def test_chance_is_zero(self, name: str) -> None:
        codes = np.random.default_rng(0).integers(3, size=(20_000, 2))
        assert read(name, table(codes, 3)).value == pytest.approx(1 / 3 if name == "per-cent" else 0, abs=0.02)

    def test_the_order_of_raters_and_items_does_not_matter(self, name: str) -> None:
        codes = noisy(np.random.default_rng(1), 60, 2 if name.startswith("cohen") else 4, 0.7)
        codes[::7, 0] = MISSING
        found = read(name, table(codes, 3))
        assert read(name, table(codes[:, ::-1], 3)).value == pytest.approx(found.value, abs=1e-12)
        assert read(name, table(codes[::-1], 3)) == found

    def test_names_do_not_matter(self, name: str) -> None:
        ratings = table(noisy(np.random.default_rng(2), 60, 2, 0.7), 3)
        renamed = replace(ratings, categories=("z", "y", "x"))
        assert read(name, renamed) == read(name, ratings)
        if name in ("per-cent", "cohen", "fleiss", "alpha"):
            swapped = replace(ratings, codes=np.array([2, 0, 1])[ratings.codes])
        else:  # an order may be read from either end
            swapped = replace(ratings, codes=2 - ratings.codes)
        assert read(name, swapped).value == pytest.approx(read(name, ratings).value, abs=1e-12)

    def test_a_category_that_nobody_chose_changes_nothing(self, name: str) -> None:
        codes = noisy(np.random.default_rng(3), 60, 2, 0.7)
        assert read(name, table(codes, 4)).value == pytest.approx(read(name, table(codes, 3)).value, abs=1e-12)

    def test_one_category_only(self, name: str) -> None:
        found = read(name, table(np.ones((10, 2)), 3))
        if name == "per-cent":
            assert found.value == 1
        else:
            assert (found.value, found.low, found.high, found.reason) == (None, None, None, ONE_CATEGORY)

    def test_nobody_shares_an_item(self, name: str) -> None:
        found = read(name, table([[0, MISSING], [MISSING, 1], [MISSING, MISSING]], 3))
        assert found == Outcome(None, reason=NOBODY)

    def test_one_item_has_no_interval(self, name: str) -> None:
        found = read(name, table([[0, 1], [MISSING, MISSING]], 3))
        assert found.value == (-1 if name == "fleiss" else 0)  # Fleiss' chance counts an answer against itself too
        assert (found.low, found.high) == (None, None)
        assert "two items" in found.reason

    def test_too_many_resamples_without_a_value(self, name: str) -> None:
        codes = np.zeros((12, 2), np.int64)
        codes[0] = 1, 1  # a third of the resamples are without the only other category
        found = read(name, table(codes, 2))
        assert found.value == 1
        if name != "per-cent":
            assert (found.low, found.high) == (None, None)
            assert "resamples have no value" in found.reason

    def test_a_seed_repeats_an_interval_and_a_level_widens_it(self, name: str) -> None:
        ratings = table(noisy(np.random.default_rng(4), 60, 2, 0.7), 3)
        found, wider = read(name, ratings), read(name, ratings, replace(FEW, level=0.99))
        assert read(name, ratings) == found
        assert read(name, ratings, replace(FEW, seed=1)) != found
        assert None not in (found.low, wider.low)
        assert wider.low < found.low < found.high < wider.high  # type: ignore[operator]

    def test_intervals_cover(self, name: str) -> None:
        """Two answers agree by q² + (1 − q)²/2; chance is a third; ordinal scales share the true value by symmetry."""
        skill, size, runs = 0.8, 3, 120
        agree = skill**2 + (1 - skill) ** 2 / 2
        kappa = (agree - 1 / size) / (1 - 1 / size)
        rng = np.random.default_rng(5)
        raters = 2 if name.startswith("cohen") else 3
        found = [read(name, table(noisy(rng, 150, raters, skill), size)) for _ in range(runs)]
        truth = agree if name == "per-cent" else kappa
        covered = np.mean([each.low <= truth <= each.high for each in found])  # type: ignore[operator]
        assert 0.90 <= covered <= 0.99  # 95 % ± two and a half standard errors
        assert np.mean([each.value for each in found]) == pytest.approx(truth, abs=0.02)

    @given(data=st.data(), shape=st.tuples(st.integers(0, 6), st.integers(0, 3)), size=st.integers(1, 4))
    def test_a_number_or_a_reason(self, name: str, data: st.DataObject, shape: tuple[int, int], size: int) -> None:
        codes = data.draw(
            st.lists(st.lists(st.integers(-1, size - 1), min_size=shape[1], max_size=shape[1]), max_size=shape[0])
        )
        found = read(name, table(np.array(codes, np.int64).reshape(len(codes), shape[1]), size))
        if found.value is None:
            assert found.reason
            assert (found.low, found.high) == (None, None)
            return
        assert math.isfinite(found.value)
        assert found.value <= 1
        assert suits(name, shape[1])
        if found.low is None or found.high is None:
            assert found.reason
        else:
            assert found.low <= found.high <= 1


@pytest.mark.parametrize("name", [name for name in AGREEMENT if name.startswith("cohen")])
def test_kappa_compares_two(name: str) -> None:
    ratings = table(noisy(np.random.default_rng(0), 30, 3, 0.7), 3)
    assert "choose two" in read(name, ratings).reason
    assert read(name, ratings.only("r0000", "r0002")).value is not None


def test_few_resamples_without_a_value_are_left_out_and_said() -> None:
    codes = np.zeros((60, 2), np.int64)
    codes[:4] = 1  # one resample in fifty-seven has none of them
    found = read("cohen", table(codes, 2), Resampling(resamples=2000))
    assert (found.low, found.high) == (1, 1)
    assert "of 2000 resamples have no value" in found.reason


def test_per_cent_weighs_pairs_of_raters_alike() -> None:
    """Raters 0 and 1 agree on 1 of 4 items; 1 and 2 on the only one they share; 0 and 2 share none."""
    codes = [[0, 0, -1], [0, 1, -1], [0, 1, -1], [0, 1, -1], [-1, 2, 2]]
    assert read("per-cent", table(codes, 3)).value == pytest.approx((1 / 4 + 1) / 2)


def test_interval_alpha_reads_values() -> None:
    ratings = table([[0, 1], [1, 1], [2, 2], [0, 0]], 3)
    far = replace(ratings, values=(0.0, 1.0, 100.0))
    same, further = read("alpha-interval", ratings).value, read("alpha-interval", far).value
    assert same == pytest.approx(
        1 - 7 * 2 / 2 / (3 * 3 * 1 + 3 * 2 * 4 + 3 * 2 * 1)
    )  # 0 three times, 1 thrice, 2 twice
    assert further is not None
    assert further > 0.999


def test_ratings_of_answers() -> None:
    ratings = Ratings.of({("b", "ann"): "changed", ("a", "ben"): "unsure", ("a", "ann"): "unchanged"}, THREE)
    assert (ratings.items, ratings.raters) == (("a", "b"), ("ann", "ben"))
    assert ratings.codes.tolist() == [[0, 1], [2, MISSING]]
    assert ratings.numbers == (0, 1, 2)


names = st.text("abc", max_size=2)


@given(st.dictionaries(st.tuples(names, names), st.sampled_from(THREE), max_size=12))
def test_every_answer_is_in_the_table(answers: dict[tuple[str, str], str]) -> None:
    ratings = Ratings.of(answers, THREE)
    back = {
        (ratings.items[row], ratings.raters[column]): THREE[ratings.codes[row, column]]
        for row, column in np.argwhere(ratings.codes != MISSING)
    }
    assert back == answers


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Ratings.of({("a", "b"): "unsre"}, THREE), "did you mean 'unsure'"),
        (lambda: Ratings.of({}, ()), "0 categories"),
        (lambda: Ratings.of({}, ("x", "x")), "different"),
        (lambda: Ratings.of({}, [str(n) for n in range(101)]), "1 to 100"),
        (lambda: Ratings.of({}, THREE, [0, 1]), "one finite number for each"),
        (lambda: Ratings.of({}, THREE, [0, 1, math.nan]), "one finite number for each"),
        (lambda: Ratings.of({}, THREE, [0, 1, 1]), "no two may be equal"),
        (lambda: table([[0, 3]], 3), "-1 to 2"),
        (lambda: table([[0, -2]], 3), "-1 to 2"),
        (lambda: replace(COHEN_1960, raters=("one",)), "one column a rater"),
        (lambda: COHEN_1960.only("r0000", "r1000"), "No rater 'r1000'"),
        (lambda: gold_accuracy(COHEN_1960, {"i0000": "c9"}), "No category 'c9'"),
    ],
)
def test_what_is_no_table_of_answers(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        wrong()


def test_wilson() -> None:
    """Newcombe 1998, Stat. Med. 17, Table I: 81 of 263 and 0 of 20."""
    found = wilson(81, 263)
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    none = wilson(0, 20)
    assert (none.value, none.low, none.high) == pytest.approx((0, 0, 0.1611), abs=5e-5)
    with pytest.raises(ParamError, match="level"):
        wilson(1, 2, level=1.0)


def test_gold_accuracy() -> None:
    answers = {("g1", "ann"): "changed", ("g2", "ann"): "unsure", ("g1", "ben"): "changed", ("x", "cem"): "unsure"}
    ratings = Ratings.of(answers, THREE)
    found = gold_accuracy(ratings, {"g1": "changed", "g2": "changed", "never shown": "unchanged"})
    assert (found["ann"].count, found["ann"].of, found["ann"].value) == (1, 2, 0.5)
    assert (found["ben"].count, found["ben"].of, found["ben"].value) == (1, 1, 1.0)
    assert (found["cem"].value, found["cem"].low, found["cem"].high) == (None, None, None)
    assert "no gold item" in found["cem"].reason


def test_self_consistency() -> None:
    answers = [
        *[("a", "ann", "changed"), ("a", "ann", "changed"), ("a", "ann", "changed")],
        *[("b", "ann", "changed"), ("b", "ann", "unsure"), ("b", "ann", "changed")],
        *[("a", "ben", "changed"), ("b", "ben", "unsure")],
    ]
    found = self_consistency(answers)
    assert (found["ann"].count, found["ann"].of) == (1, 2)
    assert (found["ann"].low, found["ann"].high) == (wilson(1, 2).low, wilson(1, 2).high)
    assert found["ben"].value is None
    assert "no item twice" in found["ben"].reason
    assert self_consistency([]) == {}


def test_nothing_is_warned_of() -> None:
    """What has no value in some resamples is found without a division by zero."""
    rare = np.full((40, 3), MISSING)
    rare[:, 0] = np.arange(40) % 2
    rare[0, 1] = 0  # the only shared item: a third of the resamples have none
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = {name: read(name, table(rare, 2)) for name in AGREEMENT}
    assert found["fleiss"].value == 1
    assert "resamples have no value" in found["fleiss"].reason
    assert found["alpha"].reason == ONE_CATEGORY
