"""What is shown of a run holds no password, no home folder and no data."""

from __future__ import annotations

from pathlib import Path

import pytest

from explain_core.errors import InputError
from explain_core.runs.scrub import scrub, tail, told


def caught(error: BaseException) -> str:
    try:
        raise error
    except BaseException as raised:
        return told(raised)


def test_passwords_and_the_home_folder_are_taken_out() -> None:
    assert scrub("to postgresql+psycopg://me:s:e-c@db:5432/x") == "to postgresql+psycopg://me:***@db:5432/x"
    assert scrub(f"{Path.home()}/films/1.png") == "~/films/1.png"
    assert scrub("no://address, and a@b:c") == "no://address, and a@b:c"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("x = 3:\ngive 2."), "x = 3: give 2."),
        (OSError(28, "No space left on device", "/data/Doe^Jane"), "No space left on device; mend that, and retry."),
        (MemoryError(), "Out of memory: ask for less at once, and retry."),
    ],
)
def test_an_error_is_one_line(error: Exception, line: str) -> None:
    assert caught(error) == line


def test_an_error_that_nobody_foresaw_is_named_by_its_place() -> None:
    line = caught(KeyError("Doe^Jane"))
    assert line.startswith("Unexpected KeyError in test_scrub.py, line ")
    assert "Jane" not in line
    assert told(KeyError("Doe^Jane")) == "Unexpected KeyError: its log shows more."


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    assert tail(log) == ""
    log.write_bytes("äöü\n".encode() * 100 + b"\xff\x1b[31mred\r\n")
    assert tail(log, 9) == "\N{REPLACEMENT CHARACTER}[31mred\n"
    assert tail(log, 13).startswith("äöü\n")
    assert len(tail(log, 50)) == 50
