"""Files that hold exactly what was answered, under names that never clash, and never half of it."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from explain_core.errors import OutputError
from explain_core.export import Ledger, bundle, folder_name, json_line, record, rho_text, top, write, write_answer
from explain_core.records import Answer, Provenance


def answer(*, method: str = "ape", rho: float | None = 0.05, changed: bool = True) -> Answer:
    """A 3 × 4 picture of mid-grey, every pixel raised by 0.05; the target falls from 0.7 to 0.2."""
    grey = np.full((3, 3, 4), 0.5, np.float32)
    return Answer(
        input=grey,
        saliency=np.arange(12, dtype=np.float32).reshape(3, 4) - 3,
        before=np.array([0.1, 0.7, 0.2], np.float32),
        outcome="The decision changed.",
        provenance=Provenance(
            method=method,
            method_version=2,
            params={"steps": 5, "layers": "auto", "goal": math.inf},
            model="tiny",
            model_sha256="m" * 64,
            image_sha256="p" * 64,
            target=1,
            target_name="b",
            rho=rho,
            seed=3,
            units=5.5,
            seconds=0.25,
            device="cpu",
            chunk=("k1", "k2"),
            drops=((2, "k2"),),
            versions={"torch": "2"},
        ),
        perturbed=grey + np.float32(0.05) if changed else None,
        after=np.array([0.1, 0.2, 0.7], np.float32) if changed else None,
        mask=np.eye(3, 4, dtype=bool) if changed else None,
        numbers={"APE_D": float("nan"), "l0": 0.5},
    )


@pytest.mark.parametrize(
    ("rho", "text"),
    [(0.05, "0.050"), (0.1, "0.100"), (0.075, "0.075"), (0.0005, "0.0005"), (1e-5, "0.00001"), (1.0, "1.000")],
)
def test_rho_in_a_file_name(rho: float, text: str) -> None:
    assert rho_text(rho) == text


@given(st.floats(min_value=1e-5, max_value=1.0))
def test_rho_in_a_file_name_is_exact(rho: float) -> None:
    text = rho_text(rho)
    assert float(text) == rho
    assert "e" not in text
    assert -Decimal(text).as_tuple().exponent >= 3  # type: ignore[operator]


@given(st.text(min_size=1, max_size=40))
def test_a_folder_stays_inside_and_is_free(stem: str) -> None:
    first = folder_name(stem, ())
    second = folder_name(stem, [first.upper()])
    assert first.casefold() != second.casefold()
    for name in (first, second):
        assert name
        assert name not in (".", "..", "explanations.jsonl")
        assert not set(name) & set("/\\\0")
        assert not name.startswith(".")


def test_a_record_says_everything_in_plain_values() -> None:
    line = record(answer(), image="a.png", image_sha256="f" * 64, file="a/ape@0.050.npz", classes="abc")
    assert json.loads(json_line(line)) == line
    assert list(line)[:6] == ["image", "image_sha256", "model", "model_sha256", "method", "rho"]
    assert (line["image"], line["image_sha256"], line["file"]) == ("a.png", "f" * 64, "a/ape@0.050.npz")
    assert (line["target"], line["target_name"], line["seed"], line["units"]) == (1, "b", 3, 5.5)
    assert [name for name, _ in line["top5_before"]] == ["b", "c", "a"]
    assert [name for name, _ in line["top5_after"]] == ["c", "b", "a"]
    assert line["p_target_before"] == pytest.approx(0.7)
    assert line["p_target_after"] == pytest.approx(0.2)
    assert line["rmse"] == pytest.approx(0.05, abs=1e-7)
    assert line["numbers"] == {"APE_D": None, "l0": 0.5}
    assert line["params"] == {"steps": 5, "layers": "auto", "goal": None}
    assert (line["chunk"], line["drops"]) == (["k1", "k2"], [[2, "k2"]])


def test_a_method_without_a_change_leaves_blanks() -> None:
    line = record(answer(method="gradcam", rho=None, changed=False), image="a.png", file="a/gradcam.npz")
    assert [line[name] for name in ("rho", "rmse", "top5_after", "p_target_after")] == [None] * 4
    assert line["image_sha256"] == "p" * 64


def test_top_breaks_ties_by_index_and_names_where_it_can() -> None:
    p = np.array([0.25, 0.5, 0.25], np.float32)
    assert top(p, count=2) == [(1, 0.5), (0, 0.25)]
    assert top(p, ["x", "y", "z"]) == [("y", 0.5), ("x", 0.25), ("z", 0.25)]


def test_files_hold_the_arrays_as_they_are(tmp_path: Path) -> None:
    given = answer()
    file = write_answer(tmp_path, "a", given)
    assert file.as_posix() == "a/ape@0.050.npz"
    with np.load(tmp_path / file, allow_pickle=False) as arrays:
        assert set(arrays) == {"input", "saliency", "perturbed", "mask"}
        for name in arrays:
            np.testing.assert_array_equal(arrays[name], getattr(given, name))
            assert arrays[name].dtype == getattr(given, name).dtype
    with Image.open(tmp_path / "a" / "ape@0.050.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (8, 3))
        assert np.asarray(picture)[0, 4:].tolist() == [[140, 140, 140]] * 4  # 0.55 · 255
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"ape@0.050.npz", "ape@0.050.png"}


def test_without_a_change_there_is_one_picture_and_two_arrays(tmp_path: Path) -> None:
    file = write_answer(tmp_path, "a", answer(method="gradcam", rho=None, changed=False))
    with np.load(tmp_path / file) as arrays:
        assert set(arrays) == {"input", "saliency"}
    with Image.open((tmp_path / file).with_suffix(".png")) as picture:
        assert picture.size == (4, 3)


def test_a_bundle_numbers_equal_names() -> None:
    packed = bundle([answer(), answer(), answer(rho=None)], image="x/cat.png", classes="abc")
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        lines = [json.loads(line) for line in archive.read("explanations.jsonl").splitlines()]
        assert [line["file"] for line in lines] == ["cat/ape@0.050.npz", "cat/ape@0.050-2.npz", "cat/ape.npz"]
        assert {line["file"] for line in lines} < set(archive.namelist())
        assert "cat/ape@0.050-2.png" in archive.namelist()
        with np.load(io.BytesIO(archive.read("cat/ape.npz"))) as arrays:
            np.testing.assert_array_equal(arrays["mask"], answer().mask)


def test_a_ledger_keeps_earlier_lines_and_replaces_those_of_the_same_file(tmp_path: Path) -> None:
    first = Ledger(tmp_path)
    first.add({"file": "a/ape.npz", "image_sha256": "1", "image": "a\u2028\udcff.png", "n": 1})
    first.add({"file": "b/ape.npz", "image_sha256": "2", "n": 2})
    first.save()
    second = Ledger(tmp_path)
    assert second.folders() == {"a": "1", "b": "2"}
    second.add({"file": "a/ape.npz", "image_sha256": "1", "n": 3})
    second.save()
    lines = [json.loads(line) for line in (tmp_path / "explanations.jsonl").read_text().splitlines()]
    assert [(line["file"], line["n"]) for line in lines] == [("a/ape.npz", 3), ("b/ape.npz", 2)]


@pytest.mark.parametrize("content", ["no json\n", "[1]\n", '{"a": 1}\n', "\xff\xfe"])
def test_a_foreign_ledger_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "explanations.jsonl"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(OutputError, match="no list of explanations"):
        Ledger(tmp_path)
    assert path.read_text(encoding="latin-1") == content


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose a"):
        write(tmp_path / "file" / "x.npz", b"")
    with pytest.raises(OutputError):
        Ledger(tmp_path / "file")


def test_a_kill_leaves_whole_lines_only(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys\n"
        "from explain_core.export import Ledger\n"
        "ledger = Ledger(pathlib.Path(sys.argv[1]))\n"
        "for n in range(10_000):\n"
        "    ledger.add({'file': f'{n}/ape.npz', 'image_sha256': '', 'long': 'x' * 20_000})\n"
        "    if ledger.path.stat().st_size > 1_000_000: print('running', flush=True)\n"
    )
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, env={**os.environ}
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    text = (tmp_path / "explanations.jsonl").read_text()
    assert text.endswith("\n")
    assert [json.loads(line)["file"] for line in text.splitlines()] == [f"{n}/ape.npz" for n in range(text.count("\n"))]
