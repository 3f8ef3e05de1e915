"""Our own files of values: read with their hash, or refused with the reason."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from explain_core.errors import InputError
from explain_core.formats import read_values


def fault(path: Path, why: str) -> InputError:
    return InputError(f"{path.name}: {why}; make it again.")


def test_values_come_with_the_hash_of_the_file(tmp_path: Path) -> None:
    content = b'{"format": 2, "a": [1]}'
    (tmp_path / "x.json").write_bytes(content)
    values, sha256 = read_values(tmp_path / "x.json", 2, "a file", fault, most_bytes=len(content))
    assert (values, sha256) == ({"format": 2, "a": [1]}, hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"format": 3}', "its format is not 2"),
        (b'{"a": 1}', "its format is not 2"),
        (b"[2]", "its format is not 2"),
        (b"", "it is no JSON"),
        (b'{"format": 2', "it is no JSON"),
        (b"\xff\xfe", "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
        (b'{"format": 2}' + b" " * (1 << 20), "it has more than 1 MiB"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputError, match=rf"x\.json: {why}; make it again"):
        read_values(tmp_path / "x.json", 2, "a file", fault, most_bytes=1 << 20)


@pytest.mark.parametrize("name", ["none.json", ""])
def test_what_cannot_be_read_says_what_to_give(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="give a file"):
        read_values(tmp_path / name, 2, "a file", fault)
