"""Who may see how a study stands: organisers, and those of them who read in it only once it is closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotations.database import Database
from annotations.people import People
from annotations.reading.bundle import read_study
from annotations.reading.overseeing import Overseer
from annotations.reading.studies import CLOSED, OPEN, Plan, Studies
from explain_core.errors import InputError, RightsError
from tests.annotations.conftest import Clock
from tests.annotations.studies import ARMS, case, write_study


@pytest.fixture
def begun(database: Database, clock: Clock, tmp_path: Path) -> Database:
    """The study s, read by bob, and by ada who set it up; eve organises too."""
    people = People(database, clock)
    people.add("ada", "admin")
    people.add("eve", "researcher", by="ada")
    people.add("bob", "clinician", by="ada")
    studies = Studies(database, clock)
    bundle = read_study(write_study(tmp_path / "bundle", [case("a", 0), case("b", 1)], ARMS, "b"))
    studies.create("s", bundle, by="ada", plan=Plan(washout_s=0), readers=["ada", "bob"])
    studies.set_state("s", OPEN, by="ada", without_blocked=True)
    return database


def test_whoever_may_not_organise_sees_nothing(begun: Database) -> None:
    seen = Overseer(begun, "bob")
    for asked in (seen.studies, lambda: seen.figures("s"), lambda: seen.table("s", "readings")):
        with pytest.raises(RightsError, match="bob is clinician, and may not organise"):
            asked()


def test_an_organiser_sees_arms_and_reasons(begun: Database) -> None:
    (study,) = Overseer(begun, "eve").studies()
    assert [arm.name for arm in study.arms] == ["alone", "aided"]
    assert (dict(study.blocked), dict(study.spec)) == ({"b": "gradcam: It did not."}, {"model": "demo"})
    with pytest.raises(InputError, match="nothing to analyse"):
        Overseer(begun, "eve").figures("s")


def test_an_organiser_who_reads_sees_them_once_it_is_closed(begun: Database) -> None:
    seen = Overseer(begun, "ada")
    (study,) = seen.studies()
    assert (study.arms, dict(study.spec), dict(study.blocked)) == ((), {}, {"b": ""})
    assert [one.reader for one in study.readers] == ["ada", "bob"]
    for asked in (lambda: seen.figures("s"), lambda: seen.table("s", "readings")):
        with pytest.raises(RightsError, match="once it is closed"):
            asked()
    Studies(begun).set_state("s", CLOSED, by="eve")
    assert seen.table("s", "readings") == ""
    assert [arm.name for arm in seen.studies()[0].arms] == ["alone", "aided"]
