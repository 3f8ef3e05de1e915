"""Reads as labels: what is settled, what is left out and counted, and that it is frozen and in the log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from annotations import audit
from annotations.database import Database
from annotations.people import People
from annotations.reading.bundle import read_study
from annotations.reading.labels import FILE, Asked, freeze, majority, mean
from annotations.reading.reads import Reads
from annotations.reading.studies import OPEN, Plan, Studies
from annotations.tables import AuditRow
from explain_core.errors import InputError, ParamError, RightsError
from tests.annotations.conftest import Clock
from tests.annotations.studies import ARMS, answers, case, film_of, finding, write_study

READERS = ("bob", "cyd", "dan", "eve")
SCORES = {
    "a": (10, 20, 30, 40), "b": (60, 70, 80, 10), "c": (90, 90, 10, 10), "d": (50, 50, 50, 50),
    "e": (10, 90, 90, 10), "try": (90, 90, 90, 90),
}  # fmt: skip
"""By reader.  At 50 a is normal, b and d are a lesion, and c and e tied."""


@pytest.fixture
def read(database: Database, clock: Clock, tmp_path: Path) -> Callable[..., None]:
    """The study s, read in one arm (or both) by READERS; on e, of two films, whoever sees a lesion marks the first."""

    def done(arms: Any = ARMS[:1], readers: dict[str, int] | None = None) -> None:
        people = People(database, clock)
        people.add("ada", "admin")
        for name in READERS:
            people.add(name, "clinician", by="ada")
        cases = [case("try", 1, practice=True), *(case(name, 0) for name in "abcde")]
        other = {**cases[-1]["films"][0], "film": film_of("e2"), "label": "LCC"}
        cases[-1]["films"].append(other)
        cases[-1]["output"][film_of("e2")] = {"lesion": 0.5, "normal": 0.5}
        studies = Studies(database, clock)
        bundle = read_study(write_study(tmp_path / "bundle", cases, arms))
        studies.create("s", bundle, by="ada", plan=Plan(washout_s=0), readers=READERS)
        studies.set_state("s", OPEN, by="ada")
        reads, names = Reads(database, clock), {film_of(name): name for name in SCORES}
        for place, reader in enumerate(READERS):
            for _ in range((readers or {}).get(reader, 999)):
                task = reads.task("s", reader)
                if task is None:
                    break
                name = names[task.films[0]["film"]]
                score = SCORES[name][place] if task.step == "final" else 0
                found = [finding(film_of("e"), score)] if name == "e" and score >= 50 else []
                given = answers(task.step, task.form.letters, score=score, findings=found)
                kept = reads.save(task.token, given, revision=0, key=f"{task.token} s")
                reads.lock(task.token, revision=kept.revision, key=f"{task.token} l")

    return done


def labels(told: dict[str, Any]) -> dict[str, int]:
    return {one["case"]: one["label"] for one in told["cases"]}


def test_rules_by_hand() -> None:
    assert [majority(scores, 50) for scores in ([50, 49], [50, 50, 0], [0, 0, 99], [7])] == [None, 1, 0, 0]
    assert [mean(scores, 50) for scores in ([50, 49], [50, 50], [0, 0, 99])] == [0, 1, 0]


def test_majorities_are_labels_and_ties_are_counted(read: Any, database: Database, tmp_path: Path) -> None:
    read()
    told = freeze(database, "s", Asked(50), by="ada", out=tmp_path / "l")
    assert labels(told) == {"a": 0, "b": 1, "d": 1}
    assert told["left_out"] == {"too few readers": 0, "tied": 2, "films that no majority marked": 0}
    (b,) = (one for one in told["cases"] if one["case"] == "b")
    assert (b["readers"], b["above"], b["mean"]) == (4, 3, 55.0)
    assert [film["film"] for film in b["films"]] == [film_of("b")]
    assert "try" not in json.dumps(told)
    content = (tmp_path / "l" / FILE).read_bytes()
    assert json.loads(content) == told
    with database.read() as session:
        (entry,) = session.scalars(select(AuditRow).where(AuditRow.what == audit.STUDY_LABELS)).all()
        assert json.loads(entry.detail)["sha256"] == hashlib.sha256(content).hexdigest()
        assert entry.before == told["head"]
    audit.verify(database)
    with pytest.raises(InputError, match="is there already, and is never changed"):
        freeze(database, "s", Asked(50), by="ada", out=tmp_path / "l")


def test_the_mean_decides_where_it_is_asked(read: Any, database: Database, tmp_path: Path) -> None:
    read()
    told = freeze(database, "s", Asked(50, rule="mean"), by="ada", out=tmp_path / "l")
    assert labels(told) == {"a": 0, "b": 1, "c": 1, "d": 1, "e": 1}
    (e,) = (one for one in told["cases"] if one["case"] == "e")
    assert e["films"] == []  # marked by two of four, which is no majority
    assert told["left_out"] == {"too few readers": 0, "tied": 0, "films that no majority marked": 2}
    with pytest.raises(InputError, match="0 no, 4 yes films"):
        freeze(database, "s", Asked(20, rule="mean", classes=("no", "yes")), by="ada", out=tmp_path / "low")


def test_films_of_a_lesion_are_those_that_a_majority_marked(read: Any, database: Database, tmp_path: Path) -> None:
    read(readers={"eve": 0, "bob": 0})
    told = freeze(database, "s", Asked(50), by="ada", out=tmp_path / "l")
    (e,) = (one for one in told["cases"] if one["case"] == "e")
    assert [film["film"] for film in e["films"]] == [film_of("e")]
    assert told["left_out"] == {"too few readers": 0, "tied": 1, "films that no majority marked": 1}


def test_too_few_readers_are_counted(read: Any, database: Database, tmp_path: Path) -> None:
    read(readers={"eve": 4})  # the practice case and one more
    with pytest.raises(InputError, match=r"nothing to tell apart: .*4 too few readers"):
        freeze(database, "s", Asked(50, least=4), by="ada", out=tmp_path / "l")
    told = freeze(database, "s", Asked(50, least=3), by="ada", out=tmp_path / "l")
    assert told["left_out"]["too few readers"] == 0


def test_who_may_and_of_which_arm(read: Any, database: Database, tmp_path: Path) -> None:
    read(arms=[ARMS[0], {"name": "aided", "methods": [], "output": True}])
    with pytest.raises(RightsError, match="bob is clinician"):
        freeze(database, "s", Asked(50, "alone"), by="bob", out=tmp_path / "l")
    with pytest.raises(InputError, match="has the arms alone, aided"):
        freeze(database, "s", Asked(50), by="ada", out=tmp_path / "l")
    assert not (tmp_path / "l").exists()
    told = freeze(database, "s", Asked(50, "aided"), by="ada", out=tmp_path / "l")
    assert (told["arm"], {one["readers"] for one in told["cases"]}) == ("aided", {4})
    for wrong in ({"threshold": 0}, {"rule": "vote"}, {"step": "last"}, {"least": 0}, {"classes": ("a", "a")}):
        with pytest.raises(ParamError):
            Asked(**{"threshold": 50, **wrong})  # type: ignore[arg-type]
