"""What a study comes to: figures computed by hand, by scikit-learn, and tables that hold what was answered."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from annotations.agreement import Resampling
from annotations.database import Database
from annotations.people import People
from annotations.reading import froc, roc
from annotations.reading.analysis import analyse
from annotations.reading.bundle import read_study
from annotations.reading.export import export, read_told
from annotations.reading.reads import Reads
from annotations.reading.studies import OPEN, Plan, Studies
from explain_core.errors import InputError
from tests.annotations.conftest import Clock
from tests.annotations.studies import ARMS, ELLIPSE, answers, case, film_of, finding, write_study

BOX = {"box": {"left": 60, "top": 40, "right": 64, "bottom": 44}}
FEW = Resampling(resamples=200)


def test_the_area_by_hand() -> None:
    scores, labels = np.array([3.0, 5, 1, 3]), np.array([1, 1, 0, 0])
    assert float(roc.auc(scores, labels)) == (1 + 0.5 + 1 + 1) / 4
    false, true = roc.curve(scores, labels)
    assert list(zip(false.tolist(), true.tolist(), strict=True)) == [(0, 0), (0, 0.5), (0.5, 1), (1, 1)]
    assert np.isnan(roc.auc(scores, np.ones(4, int)))


def test_areas_and_curves_are_those_of_scikit_learn() -> None:
    draw = np.random.default_rng(3)
    for _ in range(20):
        labels = np.array([0, 1, *draw.integers(0, 2, 28)])
        scores = draw.integers(0, 8, 30) + labels.astype(float)
        area = float(roc.auc(scores, labels))
        assert area == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
        false, true = roc.curve(scores, labels)
        wanted = roc_curve(labels, scores, drop_intermediate=False)
        np.testing.assert_allclose([false, true], wanted[:2], atol=1e-12)
        assert np.trapezoid(true, false) == pytest.approx(area, abs=1e-12)


def test_a_resample_is_the_area_of_its_cases() -> None:
    scores, labels = np.array([3.0, 5, 1, 3, 2]), np.array([1, 1, 0, 0, 0])
    drawn = roc.resampled(labels.tolist(), 50, 1)
    assert (drawn[:, :2].sum(1) == 2).all()
    assert (drawn[:, 2:].sum(1) == 3).all()
    again = [roc_auc_score(np.repeat(labels, row), np.repeat(scores, row)) for row in drawn]
    np.testing.assert_allclose(roc.auc(scores, labels, drawn), again, atol=1e-12)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Scores N(1, 1) against N(0, 1): the area is Φ(1/√2) = 0.7602."""
    draw, truth, covered = np.random.default_rng(7), 0.7602499, 0
    labels = np.repeat([1, 0], 40)
    for trial in range(200):
        scores = draw.standard_normal(80) + labels
        low, high = roc.interval(roc.auc(scores, labels, roc.resampled(labels.tolist(), 200, trial)), 0.95)
        assert low is not None
        assert high is not None
        covered += low <= truth <= high
    assert 0.90 <= covered / 200 <= 0.99


def mark(score: float, lesion: int | None) -> froc.Mark:
    return froc.Mark(0, 0, score, lesion)


def test_a_free_response_curve_by_hand() -> None:
    """Two lesions, four films; the second mark on a lesion is neither found again nor false."""
    cases = [
        froc.Marked((mark(90, 0), mark(80, 0), mark(30, None)), 2, 2),
        froc.Marked((mark(70, None), mark(30, None)), 0, 2),
    ]
    false, found = froc.curve(cases)
    assert list(zip(false.tolist(), found.tolist(), strict=True)) == [
        (0, 0), (0, 0.5), (0, 0.5), (0.25, 0.5), (0.75, 0.5)
    ]  # fmt: skip
    assert [float(froc.found_at(false, found, at)) for at in (0, 0.5)] == [0.5, 0.5]
    twice = froc.curve(cases, np.array([[2, 0], [0, 2]]))
    assert twice[0][0].tolist() == [0, 0, 0, 0, 0.5]
    assert np.isnan(twice[1][1]).all()


def test_a_mark_finds_the_lesion_that_its_middle_lies_in() -> None:
    lesions = [{"film": "a", "shape": ELLIPSE}]
    near = {"freehand": {"points": [[30, 20], [50, 20], [50, 40], [30, 40]]}}
    marks = froc.hits([finding("a", 10), finding("b", 20), finding("a", 30, BOX), finding("a", 40, near)], lesions)
    assert [one.lesion for one in marks] == [0, None, None, 0]
    assert (marks[2].x, marks[2].y, marks[3].x, marks[3].y) == (62, 42, 40, 30)


SCORES = {
    ("bob", "unaided"): {"a": 10, "b": 60, "c": 60, "d": 30},
    ("bob", "final"): {"a": 10, "b": 80, "c": 20, "d": 90},
    ("cyd", "unaided"): {"a": 0, "b": 50, "c": 0, "d": 50},
    ("cyd", "final"): {"a": 70, "b": 50, "c": 0, "d": 60},
}  # fmt: skip
"""b and d have a lesion: bob's areas are 2.5/4 and 1, cyd's 1 and 1/2."""


@pytest.fixture
def read(database: Database, clock: Clock, tmp_path: Path) -> Callable[..., None]:
    """A study of one arm that shows Grad-CAM, read by bob and cyd as SCORES say."""

    def done() -> None:
        people = People(database, clock)
        people.add("ada", "admin")
        for name in ("bob", "cyd"):
            people.add(name, "clinician", by="ada")
        cases = [
            case("try", 1, practice=True),
            *(case(name, label) for name, label in zip("abcd", [0, 1] * 2, strict=True)),
        ]
        bundle = read_study(write_study(tmp_path / "bundle", cases, ARMS[1:]))
        studies = Studies(database, clock)
        studies.create("s", bundle, by="ada", plan=Plan(washout_s=0), readers=["bob", "cyd"])
        studies.set_state("s", OPEN, by="ada")
        reads, names = Reads(database, clock), {film_of(name): name for name in ("try", *"abcd")}
        for reader in ("bob", "cyd"):
            while (task := reads.task("s", reader)) is not None:
                film = task.films[0]["film"]
                score = SCORES[reader, task.step].get(names[film], 50)
                found = [finding(film, score)] if score >= 50 else []
                given: Any = answers(task.step, task.form.letters, score=score, findings=found)
                clock.pass_by(5)
                kept = reads.save(task.token, given, revision=0, key=f"{task.token} s", active_ms=4000, hidden_ms=500)
                reads.lock(task.token, revision=kept.revision, key=f"{task.token} l")

    return done


def rows(database: Database, table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(export(database, "s", table))))


def test_the_exported_table_gives_the_areas_by_hand(read: Callable[..., None], database: Database) -> None:
    read()
    table = rows(database, "readings")
    assert len(table) == 2 * 5 * 2
    for (reader, step), area in {("bob", "unaided"): 2.5 / 4, ("bob", "final"): 1, ("cyd", "unaided"): 1,
                                 ("cyd", "final"): 0.5}.items():  # fmt: skip
        mine = [
            row
            for row in table
            if (row["reader"], row["step"], row["practice"], row["counts"]) == (reader, step, "0", "1")
        ]
        pairs = [
            (float(one["score"]) > float(other["score"])) + 0.5 * (one["score"] == other["score"])
            for one in mine if one["truth"] == "1" for other in mine if other["truth"] == "0"
        ]  # fmt: skip
        assert sum(pairs) / len(pairs) == area
    first = table[0]
    assert (first["shows"], first["active_ms"], first["hidden_ms"], first["open_ms"]) == (
        "gradcam+output", "4000", "500", "5000"
    )  # fmt: skip
    found = analyse(database, "s", FEW)
    assert {(row["reader"], row["step"]): row["auc"] for row in found["auc"]} == {
        ("bob", "unaided"): 0.625, ("bob", "final"): 1, ("cyd", "unaided"): 1, ("cyd", "final"): 0.5,
        ("mean", "unaided"): 0.8125, ("mean", "final"): 0.75,
    }  # fmt: skip
    assert [(row["what"], row["auc"]) for row in found["differences"]] == [("aided final", -0.0625)]
    assert all(row["low"] <= row["auc"] <= row["high"] for row in found["auc"])
    assert found["cases"] == {"positive": 2, "negative": 2}


def test_findings_and_curves(read: Callable[..., None], database: Database) -> None:
    """Every ellipse is on the place of the lesion: on cases with one it finds it, on others it is false."""
    read()
    table = [row for row in rows(database, "findings") if row["practice"] == "0"]
    assert {row["lesion"] for row in table if row["truth"] == "1"} == {"1"}
    assert {row["lesion"] for row in table if row["truth"] == "0"} == {""}
    found = {one["step"]: one for one in analyse(database, "s", FEW)["froc"]}
    assert found["final"]["readers"]["cyd"] == [[0, 0], [0.25, 0], [0.25, 0.5], [0.25, 1]]
    assert found["unaided"]["mean"][0] == {"false_per_film": 0.25, "found": 0.75, "low": 0.5, "high": 1.0}
    told = [row for row in rows(database, "explanations") if row["practice"] == "0"]
    assert {(row["method"], row["letter"], row["trust_before"], row["trust_after"]) for row in told} == {
        ("gradcam", "A", "40", "60")
    }
    assert len(told) == 8
    assert len(rows(database, "regions")) == len(rows(database, "findings"))


def test_agreement_of_readers(read: Callable[..., None], database: Database) -> None:
    """bob calls b and c malignant before, cyd b and d: they agree on a and b."""
    read()
    found = {
        (row["step"], row["field"], row["statistic"]): row["value"] for row in analyse(database, "s", FEW)["agreement"]
    }
    assert found["unaided", "assessment", "per-cent"] == 0.5
    assert found["unaided", "density", "per-cent"] == 1
    assert found["unaided", "density", "alpha"] is None


def test_which_version_counts(read: Callable[..., None], database: Database, clock: Clock) -> None:
    """An amended final read counts; an unaided one that was amended after the explanation was shown does not."""
    read()
    reads = Reads(database, clock)
    position = next(one.position for one in reads.locked("s", "bob") if one.session == 1)
    for step in ("unaided", "final"):
        given = answers(step, "A", score=1)
        reads.amend("s", "bob", position, step, given, reason="I mistook the key.", key=step)
    mine = [one for one in read_told(database, "s").reads if (one.reader, one.position) == ("bob", position)]
    assert [(one.step, one.version, one.counts) for one in mine] == [
        ("unaided", 1, True), ("final", 1, False), ("unaided", 2, False), ("final", 2, True)
    ]  # fmt: skip


def test_before_the_explanation_an_amended_unaided_read_counts(
    database: Database, clock: Clock, tmp_path: Path
) -> None:
    People(database, clock).add("ada", "admin")
    studies = Studies(database, clock)
    bundle = read_study(write_study(tmp_path / "bundle", [case("a", 1)], ARMS[1:]))
    studies.create("s", bundle, by="ada", readers=["ada"])
    studies.set_state("s", OPEN, by="ada")
    reads = Reads(database, clock)
    with pytest.raises(InputError, match="nothing to analyse"):
        analyse(database, "s")
    assert export(database, "s", "readings") == ""
    task = reads.task("s", "ada")
    assert task is not None
    kept = reads.save(task.token, answers("unaided", "A"), revision=0, key="s")
    reads.lock(task.token, revision=kept.revision, key="l")
    clock.pass_by(1)
    reads.amend("s", "ada", 1, "unaided", answers("unaided", "A", score=3), reason="I forgot one.", key="a")
    clock.pass_by(1)
    reads.task("s", "ada")
    clock.pass_by(1)
    reads.amend("s", "ada", 1, "unaided", answers("unaided", "A", score=9), reason="I saw it now.", key="b")
    assert [(one.answers["score"], one.counts) for one in read_told(database, "s").reads] == [
        (50, False), (3, True), (9, False)
    ]  # fmt: skip
