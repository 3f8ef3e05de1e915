"""De-identification to the very end: a study of planted films, read, exported and handed on, holds nothing planted."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from pydicom import dcmread
from sqlalchemy import MetaData, select

from annotations.database import Database
from annotations.reading.export import TABLES
from annotations.workspace import home
from explain_core.films.exporting import OBJECTS
from explain_core.films.record import Record
from tests.dicom.making import film, saved
from tests.dicom.planted import DAY, PLANTS, UID, WORD
from tests.dicom.traces import AGE, traces, traces_below, traces_in, values_of
from tests.reading.planted_study import PICTURES, Asked, films, read_step, set_up, workspace_database


def handed_on(do: Asked, of: Record, regions: Path, out: Path, name: str) -> None:
    """Every kind of object, and the report, of a film with its regions and its explanation."""
    (map_,) = (out / "explained").rglob("*.npz")
    observer = ["--observer", "reader-2", "--organisation", "the study"]
    for kind in OBJECTS:
        made_of = ["--map", map_] if OBJECTS[kind].needs == "map" else ["--regions", regions, *observer]
        do("dicom", "export", of.film, "--kind", kind, *made_of, "--out", out / f"{name}-{kind}.dcm")
    do("dicom", "report", of.film, "--regions", regions, "--map", map_, "--out", out / f"{name}.html")


def drawn(table: Path, of: Record) -> str:
    """What readers drew on a film, as a line of regions."""
    with table.open() as file:
        shapes = [json.loads(row["region"]) for row in csv.DictReader(file) if row["film"] == of.film]
    assert len(shapes) == 4  # two arms, two steps
    return json.dumps({"film": of.film, "regions": [{**shape, "name": "mass"} for shape in shapes]})


def listed(do: Asked) -> Path:
    """A table of findings as VinDr-Mammo has them, of both pictures, in which patient, study and day are told too."""
    head = "patient_id,study_id,study_date,image_id,height,width,finding_categories,finding_birads,xmin,ymin,xmax,ymax"
    rows = [f"""{WORD},{UID},{DAY},{name},64,48,['Mass'],BI-RADS 4,4,5,20,30""" for name in PICTURES]
    return do.file("findings.csv", "\n".join([head, *rows]))


def test_nothing_planted_is_left_in_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))
    do = set_up(tmp_path)
    assert all(set(PLANTS) <= set(traces_in(path)) for path in (tmp_path / "in").rglob("*.dcm"))
    database, out = workspace_database(), tmp_path / "out"
    with database.engine.connect():  # while somebody is there, what is written stays in the -wal
        while read_step(do, database, "bob"):
            pass
        assert (home() / "rhoscope.db-wal").stat().st_size > 0
        assert traces_below(home()) == {}
    for table in TABLES:
        do("study", "export", "s", "--table", table, "--out", out / f"{table}.csv")
    do("study", "analyse", "s", "--resamples", "200", "--out", out / "figures.json")
    one = films()[0]
    explain = ["--method", "gradcam", "--rho", "none", "--device", "cpu"]
    do("explain", f"film:{one.film}", *explain, "--out", out / "explained")
    handed_on(do, one, do.file("drawn.jsonl", drawn(out / "regions.csv", one)), out, "drawn")
    taken = ["dicom", "annotations", "vindr", listed(do), "--pictures", tmp_path / "in"]
    do(*taken, "--out", out / "taken.jsonl")
    lines = [json.loads(line) for line in (out / "taken.jsonl").read_text().splitlines()]
    assert {line["film"] for line in lines} == {each.film for each in films()}
    handed_on(do, one, out / "taken.jsonl", out, "taken")
    for words in (["dicom", "list"], ["study", "status", "s"], ["study", "locked", "--study", "s", "--reader", "bob"],
                  ["runs", "list", "--json"], ["labels", "verify"]):  # fmt: skip
        do(*words)
    said = capsys.readouterr()
    assert traces(said.out, said.err) == []
    assert len(list(out.glob("*.dcm"))) == 2 * len(OBJECTS)
    assert (tmp_path / "build" / "log.txt").exists()
    assert traces_below(home(), tmp_path / "build", out) == {}
    assert traces(*kept(database)) == []


def kept(database: Database) -> list[str]:
    """Every value of every table."""
    tables = MetaData()
    tables.reflect(database.engine)
    assert {"study_cases", "readings", "runs"} <= set(tables.tables)
    with database.engine.connect() as connection:
        return [
            str(value) for table in tables.tables.values() for row in connection.execute(select(table)) for value in row
        ]


def test_a_trace_is_found_wherever_it_lies(tmp_path: Path) -> None:
    """What the other test looks with."""
    path = saved(tmp_path / "a.dcm", film(PatientAge=AGE, StudyDate=DAY))
    assert traces_in(path) == [AGE, DAY]
    assert traces(f"on 1943-11-17, {WORD.lower()}".encode("utf-16-le")) == ["1943-11-17", WORD]
    nested = film()
    nested.private_block(9, f"ZZ {WORD}", create=True).add_new(2, "UN", UID.encode())
    assert traces(*values_of(dcmread(saved(tmp_path / "b.dcm", nested)))) == sorted([UID, WORD])
