"""Answers on disk: the same bits after a restart, within the bound, and a damaged file is never an answer."""

from __future__ import annotations

import dataclasses
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain_core.data.images import image_key
from explain_core.engine import Engine, Job, asked_disk
from explain_core.engine.disk import FORGOTTEN_S, UNSEEN, Disk, key_of, read, write
from explain_core.errors import OutputError, ParamError
from explain_core.methods import METHODS
from explain_core.models.classifier import Classifier
from explain_core.records import Answer, Floats, Provenance

PATIENCE = 60
KEY = "0123456789abcdef" * 2
PIXELS = np.linspace(0, 1, 3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5)
SOLVED = Answer(
    input=PIXELS,
    saliency=np.linspace(-1, 1, 20, dtype=np.float32).reshape(4, 5),
    before=np.array([0.1, 0.9], np.float32),
    outcome="It pushed.",
    provenance=Provenance(
        "walk", 3, {"steps": 7, "layer": None, "mode": "slow"}, "tiny", "s" * 64, image_key(PIXELS), 1, "lesion", 0.05,
        4, 12.5, 0.25, "cpu", ("a", "b"), ((3, "b"),), {"torch": "2"},
    ),
    perturbed=PIXELS[::-1],  # strides that run backwards
    after=np.array([0.75, 0.25], np.float32),
    mask=np.eye(4, 5, dtype=bool),
    numbers={"mean": 1 / 3, "none": float("nan"), "far": float("inf")},
    trace={"loss": np.array([3, 2, 1], np.float32), "none/at all": np.zeros(0, np.float32)},
)  # fmt: skip
CONTENT = write(KEY, SOLVED)
BARE = dataclasses.replace(SOLVED, perturbed=None, after=None, mask=None, numbers={}, trace={})


def same(one: Answer | None, other: Answer) -> bool:
    """Whether all is equal, arrays to the bit."""
    if one is None or set(one.trace) != set(other.trace):
        return False
    arrays = ("input", "saliency", "before", "perturbed", "after", "mask")
    pairs = [(getattr(one, name), getattr(other, name)) for name in arrays]
    pairs += [(one.trace[name], other.trace[name]) for name in one.trace]
    alike = all((a is None) == (b is None) and np.array_equal(a, b) for a, b in pairs)
    types = all(a is None or (a.dtype == b.dtype and not a.flags.writeable) for a, b in pairs)
    return alike and types and repr(one.numbers) == repr(other.numbers) and (one.outcome, one.provenance) == (
        other.outcome, other.provenance,
    )  # fmt: skip


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "kept", 1 << 20)


@pytest.mark.parametrize("answer", [SOLVED, BARE], ids=["everything", "little"])
def test_what_comes_back_is_what_went_in(disk: Disk, answer: Answer) -> None:
    disk.put(KEY, answer)
    assert same(disk.get(KEY, PIXELS), answer)
    assert disk.get("f" * 32, PIXELS) is None


def test_every_method_s_parameters_come_back(disk: Disk) -> None:
    for method in METHODS.values():
        origin = dataclasses.replace(SOLVED.provenance, method=method.name, params=method.params().as_dict())
        disk.put(method.name, dataclasses.replace(SOLVED, provenance=origin))
        found = disk.get(method.name, PIXELS)
        assert found is not None
        assert found.provenance == origin


@given(st.data())
def test_a_file_with_a_flipped_bit_is_no_answer(data: st.DataObject) -> None:
    place, bit = data.draw(st.integers(0, len(CONTENT) - 1)), data.draw(st.integers(0, 7))
    damaged = bytearray(CONTENT)
    damaged[place] ^= 1 << bit
    assert read(bytes(damaged), KEY, PIXELS) is None


@given(st.integers(0, len(CONTENT) - 1), st.binary(max_size=40))
def test_a_file_that_is_cut_off_or_continued_is_no_answer(length: int, more: bytes) -> None:
    assert read(CONTENT[:length], KEY, PIXELS) is None
    assert read(CONTENT[:length] + more, KEY, PIXELS) is None or CONTENT[:length] + more == CONTENT
    assert read(CONTENT + b"x" + more, KEY, PIXELS) is None


def test_a_damaged_file_and_another_key_s_are_removed(disk: Disk) -> None:
    for content in (b"", b"\0" * 500, CONTENT[:-1], write("another", SOLVED)):
        place = disk.folder / f"{KEY}.answer"
        place.write_bytes(content)
        assert disk.get(KEY, PIXELS) is None
        assert not place.exists()
    disk.put(KEY, SOLVED)
    assert same(disk.get(KEY, PIXELS), SOLVED)


def test_only_the_owner_may_read_and_names_say_nothing(disk: Disk) -> None:
    disk.put(KEY, SOLVED)
    (place,) = disk.folder.iterdir()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(disk.folder.stat().st_mode) == 0o700
    assert re.fullmatch(r"[0-9a-f]{32}\.answer", place.name)


def test_the_picture_itself_is_not_kept(disk: Disk) -> None:
    disk.put(KEY, BARE)
    assert PIXELS.tobytes() not in (disk.folder / f"{KEY}.answer").read_bytes()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "old.part").write_bytes(CONTENT[:100])
    (tmp_path / "fresh.part").write_bytes(CONTENT[:100])
    (tmp_path / "notes.txt").write_text("not ours")
    long_ago = time.time() - FORGOTTEN_S - 60
    for name in ("old.part", "notes.txt"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    Disk(tmp_path, 1 << 20)
    assert sorted(place.name for place in tmp_path.iterdir()) == ["fresh.part", "notes.txt"]


KILLED = """
import os, signal, sys, tempfile
from pathlib import Path
from explain_core.engine.disk import Disk
from tests.engine.test_disk import KEY, SOLVED
Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Disk(Path(sys.argv[1]), 1 << 20).put(KEY, SOLVED)
"""


def test_killed_while_it_writes_it_leaves_no_answer(tmp_path: Path) -> None:
    told = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert told.returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.suffix == ".part"
    disk = Disk(tmp_path, 1 << 20)
    assert disk.get(KEY, PIXELS) is None
    disk.put(KEY, SOLVED)
    assert same(disk.get(KEY, PIXELS), SOLVED)
    os.utime(left, (0, 0))
    Disk(tmp_path, 1 << 20)
    assert not left.exists()


def test_the_bound_is_kept_by_two_at_once(tmp_path: Path) -> None:
    limit = 40 * len(CONTENT)
    disks = [Disk(tmp_path, limit), Disk(tmp_path, limit)]
    for turn in range(60):
        for number, disk in enumerate(disks):
            disk.put(f"{number}-{turn}", SOLVED)
            assert disk.nbytes <= limit
    assert disks[0].nbytes > limit // 2


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 40 * len(CONTENT))
    for turn in range(30):
        disk.put(f"{turn:032d}", SOLVED)
        os.utime(tmp_path / f"{turn:032d}.answer", (turn, turn))
    assert disk.get(f"{3:032d}", PIXELS) is not None
    Disk(tmp_path, 20 * len(CONTENT))  # a lower bound holds from the beginning
    left = {int(place.stem) for place in tmp_path.iterdir()}
    assert left == {3, *range(14, 30)}  # 17 of 20: an eighth is left free


def test_an_answer_too_large_is_not_kept(tmp_path: Path) -> None:
    disk = Disk(tmp_path, UNSEEN * len(CONTENT) - 1)
    disk.put(KEY, SOLVED)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_goes_away_costs_nothing_but_the_answers(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    disk.folder.rmdir()
    disk.put(KEY, SOLVED)
    disk.put(KEY, SOLVED)
    assert disk.get(KEY, PIXELS) is None
    assert caplog.text.count("not kept on disk") == 1


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="RHOSCOPE_CACHE"):
        Disk(tmp_path / "file" / "kept", 1 << 20)


def test_the_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RHOSCOPE_CACHE", raising=False)
    assert asked_disk() is None
    monkeypatch.setenv("RHOSCOPE_CACHE", str(tmp_path))
    monkeypatch.setenv("RHOSCOPE_CACHE_GIB", "0.5")
    disk = asked_disk()
    assert disk is not None
    assert (disk.folder, disk.limit) == (tmp_path, 1 << 29)
    for text in ("much", "0", "nan", "-1"):
        monkeypatch.setenv("RHOSCOPE_CACHE_GIB", text)
        with pytest.raises(ParamError, match="RHOSCOPE_CACHE_GIB"):
            asked_disk()


def test_a_key_is_of_one_job_one_device_and_one_set_of_programs() -> None:
    others = [("job2", "cpu", {"torch": "2"}), ("job", "cuda (A)", {"torch": "2"}), ("job", "cpu", {"torch": "3"})]
    assert key_of("job", "cpu", {"torch": "2"}) == key_of("job", "cpu", {"torch": "2"})
    assert len({key_of(*parts) for parts in [("job", "cpu", {"torch": "2"}), *others]}) == 4


@contextmanager
def engine(folder: Path, tiny: Classifier) -> Iterator[Engine]:
    with Engine("cpu", disk=Disk(folder, 1 << 24)) as made:
        made.add("tiny", tiny)
        yield made


def jobs(tiny: Classifier, pictures: list[Floats]) -> list[tuple[Job, Floats]]:
    names = ("gradcam", "ape", "explain-plus")
    return [
        (Job("tiny", tiny.sha256(), name, image_key(picture), 1, METHODS[name].params(), 0.05), picture)
        for name in names
        for picture in pictures[:2]
    ]


def test_an_engine_that_is_started_again_computes_nothing_again(
    tmp_path: Path, tiny: Classifier, pictures: list[Floats]
) -> None:
    with engine(tmp_path, tiny) as first:
        solved = [ticket.result(PATIENCE) for ticket in first.submit_all(jobs(tiny, pictures))]
        assert first.slices > 0
    with engine(tmp_path, tiny) as second:
        found = [ticket.result(PATIENCE) for ticket in second.submit_all(jobs(tiny, pictures))]
        assert second.slices == 0
    assert all(same(one, other) for one, other in zip(found, solved, strict=True))


def test_a_damaged_answer_is_computed_again(tmp_path: Path, tiny: Classifier, pictures: list[Floats]) -> None:
    with engine(tmp_path, tiny) as first:
        (question,) = jobs(tiny, pictures)[:1]
        solved = first.submit(*question).result(PATIENCE)
    (place,) = tmp_path.iterdir()
    content = bytearray(place.read_bytes())
    content[-1] ^= 1
    place.write_bytes(content)
    with engine(tmp_path, tiny) as second:
        found = second.submit(*question).result(PATIENCE)
        assert second.slices > 0
    assert np.array_equal(found.saliency, solved.saliency)
    assert place.read_bytes() != bytes(content)


def test_another_version_of_a_method_is_another_question(
    tmp_path: Path, tiny: Classifier, pictures: list[Floats]
) -> None:
    with engine(tmp_path, tiny) as first:
        (question,) = jobs(tiny, pictures)[:1]
        first.submit(*question).result(PATIENCE)
    newer = dataclasses.replace(METHODS["gradcam"], version=METHODS["gradcam"].version + 1)
    with Engine("cpu", disk=Disk(tmp_path, 1 << 24), methods={"gradcam": newer}) as second:
        second.add("tiny", tiny)
        second.submit(*question).result(PATIENCE)
        assert second.slices > 0
    assert len(list(tmp_path.iterdir())) == 2
