"""A reader study of films with planted texts, set up by the commands that a researcher would give."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from annotations.database import Database, open_database
from annotations.reading.reads import Reads
from annotations.workspace import home
from cli import main
from explain_core.films.record import Record, records
from tests.annotations.studies import answers, finding
from tests.dicom.making import VALUES, saved
from tests.dicom.planted import UID, WORD, planted

ROOT = Path(__file__).resolve().parents[2]
PICTURES = {"a1": VALUES, "a2": VALUES[::-1]}


def planted_films(folder: Path) -> Path:
    """Two patients with a film each, planted with texts, in folders that are called after them."""
    for number, (name, values) in enumerate(PICTURES.items(), 1):
        made = planted()
        made.SOPInstanceUID = made.StudyInstanceUID = f"{UID}.{number}"
        made.PatientID, made.PixelData = f"{WORD}{number}", (values | 0xF000).tobytes()
        saved(folder / f"{WORD}^JANE {number}" / f"{name}.dcm", made)
    return folder


@dataclass(frozen=True)
class Asked:
    """What was asked of the program, which must go well."""

    folder: Path

    def __call__(self, *words: str | Path) -> None:
        assert main([str(word) for word in words]) == 0, words

    def file(self, name: str, text: str) -> Path:
        (self.folder / name).write_text(text)
        return self.folder / name


def set_up(folder: Path) -> Asked:
    """The study s of both films, open to bob and cyd; a worker has built it.  The workspace is RHOSCOPE_HOME."""
    do = Asked(folder)
    do("dicom", "import", planted_films(folder / "in"))
    for film, side in zip(films(), "RL", strict=True):
        do("dicom", "confirm", film.film, "--laterality", side, "--view", "CC", "--whose")
    rows = [f"{film.patient}/{film.exam},{label}" for label, film in enumerate(films())]
    truth = do.file("truth.csv", "\n".join(["case,label", *rows]))
    arms = ["--arm", "alone=", "--arm", "aided=gradcam+output"]
    do("study", "build", "--data", "films", "--truth", truth, *arms, "--out", folder / "build", "--queue")
    work = [sys.executable, "-m", "cli", "worker", "--until-idle", "--device", "cpu"]
    subprocess.run(work, cwd=ROOT, check=True, capture_output=True)  # its children know no workspace set after them
    do("labels", "person", "ada", "--role", "admin")
    for reader in ("bob", "cyd"):
        do("labels", "person", reader, "--role", "clinician", "--by", "ada")
    readers = ["--reader", "bob", "--reader", "cyd", "--washout", "0"]
    do("study", "create", "s", "--from", folder / "build" / "bundle", "--by", "ada", *readers)
    do("study", "open", "s", "--by", "ada")
    return do


def films() -> list[Record]:
    """In the workspace."""
    return records(home() / "films")


def workspace_database() -> Database:
    return open_database(f"sqlite:///{home() / 'rhoscope.db'}")


def read_step(do: Asked, database: Database, reader: str) -> bool:
    """Reads the step at hand with one finding, and signs it; False where all is read."""
    task = Reads(database).task("s", reader)
    if task is None:
        return False
    found = [finding(task.films[0]["film"], 80)]
    given = do.file("answers.json", json.dumps(answers(task.step, task.form.letters, score=80, findings=found)))
    do("study", "save", "--token", task.token, "--revision", "0", "--answers", given)
    do("study", "lock", "--token", task.token, "--revision", "1")
    return True
