"""`rhoscope explain` from end to end: what it writes is what was asked, and mistakes are one line."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cli import main
from explain_core import explain, load_model
from explain_core.data.images import fit, read_picture
from explain_core.methods import METHODS
from tests.contracts.test_methods import quick

ROOT = Path(__file__).resolve().parents[2]
Paint = Callable[..., Path]

FIELDS = {
    *("image", "image_sha256", "model", "model_sha256", "method", "rho", "target", "params", "seed"),
    *("top5_before", "top5_after", "p_target_before", "p_target_after", "rmse", "outcome", "seconds", "units"),
    *("file", "versions"),
}


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str
    lines: list[dict[str, Any]]

    @property
    def faults(self) -> list[str]:
        return self.err.splitlines()


@pytest.fixture
def rhoscope(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Said]:
    """Runs `rhoscope explain … --out tmp/out`."""

    def run(*arguments: object, model: str = "demo", out: Path = tmp_path / "out") -> Said:
        code = main(["explain", *map(str, arguments), "--model", model, "--out", str(out)])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Said(code, said.out, said.err, read(out))

    return run


def read(out: Path) -> list[dict[str, Any]]:
    ledger = out / "explanations.jsonl"
    return [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.is_file() else []


def test_every_method_and_rho_has_its_line_and_files(
    rhoscope: Callable[..., Said], model: str, paint: Paint, tmp_path: Path
) -> None:
    picture = paint("cat.png")
    counts = {name: quick(method).as_dict() for name, method in METHODS.items()}
    few = [
        f"{name}.{knob}={counts[name][knob]}"
        for name in METHODS
        for knob in ("steps", "samples")
        if knob in counts[name]
    ]
    settings = [word for setting in few for word in ("--set", setting)]
    said = rhoscope(picture, "--rho", "0.05", "--rho", "0.0005", *settings, model=model)
    assert (said.code, said.err) == (0, "")
    assert {line["method"] for line in said.lines} == set(METHODS)
    files = {line["file"] for line in said.lines}
    assert files == {
        f"cat/{name}.npz" if method.rho == "none" else f"cat/{name}@{rho}.npz"
        for name, method in METHODS.items()
        for rho in (["-"] if method.rho == "none" else ["0.050", "0.0005"])
    }
    for line in said.lines:
        assert set(line) >= FIELDS
        assert line["image"] == str(picture)
        assert line["image_sha256"] == hashlib.sha256(picture.read_bytes()).hexdigest()
        assert line["model"] == model
        check_files(tmp_path / "out" / line["file"], line)
    assert "cat/ape@0.050" in said.out
    assert f"{len(files)} results" in said.out


def check_files(path: Path, line: dict[str, Any]) -> None:
    with np.load(path, allow_pickle=False) as arrays, Image.open(path.with_suffix(".png")) as png:
        assert png.format == "PNG"
        assert (arrays["input"].shape, arrays["input"].dtype) == ((3, 10, 12), np.float32)
        assert (arrays["saliency"].shape, arrays["saliency"].dtype) == ((10, 12), np.float32)
        if "perturbed" not in arrays:
            assert (line["rmse"], line["top5_after"], line["rho"]) == (None, None, None)
            return
        change = arrays["perturbed"].astype(np.float64) - arrays["input"]
        rmse = float(np.sqrt(np.mean(change**2)))
        assert line["rmse"] == pytest.approx(rmse)
        if line["rho"] is not None:
            assert rmse <= line["rho"] + 1e-6
        assert arrays["perturbed"].min() >= 0
        assert arrays["perturbed"].max() <= 1


def test_it_says_what_python_says(rhoscope: Callable[..., Said], model: str, paint: Paint, tmp_path: Path) -> None:
    picture = paint("cat.png")
    said = rhoscope(
        picture, "--method", "explain-plus", "--target", "birch", "--rho", "0.1", "--seed", "4",
        "--set", "explain-plus.steps=10", model=model,
    )  # fmt: skip
    loaded = load_model(model)
    pixels = fit(read_picture(picture), loaded.input)
    (answer,) = explain(loaded, pixels, method="explain-plus", target="birch", rho=0.1, seed=4, steps=10)
    (line,) = said.lines
    with np.load(tmp_path / "out" / line["file"]) as arrays:
        np.testing.assert_array_equal(arrays["perturbed"], answer.perturbed)
    assert (line["target"], line["target_name"], line["seed"]) == (1, "birch", 4)
    assert line["params"] == {"steps": 10, "rule": "triangular"}
    assert line["p_target_after"] == pytest.approx(answer.p_after)
    assert dict(line["top5_before"])["birch"] == pytest.approx(line["p_target_before"])


def test_without_a_rho_each_method_does_as_its_row_says(
    rhoscope: Callable[..., Said], model: str, paint: Paint
) -> None:
    few = ["--set", "perceptual-ball.steps=5", "--set", "explain-plus.steps=5"]
    named = ["--method", "perceptual-ball", "--method", "explain-plus"]
    default = rhoscope(paint("cat.png"), *named, *few, model=model)
    assert [line["rho"] for line in default.lines] == [None, 0.05]
    both = rhoscope(paint("cat.png"), *named, *few, "--rho", "none", "--rho", "0.1", model=model)
    assert {line["file"] for line in both.lines} == {
        "cat/perceptual-ball.npz", "cat/perceptual-ball@0.100.npz", "cat/explain-plus@0.050.npz",
        "cat/explain-plus@0.100.npz",
    }  # fmt: skip


def test_top2_is_the_second_class(rhoscope: Callable[..., Said], model: str, paint: Paint) -> None:
    said = rhoscope(paint("cat.png"), "--method", "gradcam", "--target", "top2", model=model)
    (line,) = said.lines
    assert line["target_name"] == line["top5_before"][1][0]


def test_equal_stems_and_different_shapes_keep_apart(rhoscope: Callable[..., Said], model: str, paint: Paint) -> None:
    pictures = [paint("a/cat.png"), paint("b/cat.png", seed=1), paint("c/CAT.tif", (20, 9), seed=2)]
    first = rhoscope(*pictures, "--method", "gradcam", model=model)
    where = {line["image"]: line["file"] for line in first.lines}
    assert sorted(where.values()) == ["CAT-3/gradcam.npz", "cat-2/gradcam.npz", "cat/gradcam.npz"]
    again = rhoscope(*reversed(pictures), paint("d/cat.png", seed=3), "--method", "gradcam", model=model)
    assert len(again.lines) == 4
    assert {line["image"]: line["file"] for line in again.lines if line["image"] in where} == where


def test_a_folder_is_its_pictures(rhoscope: Callable[..., Said], model: str, paint: Paint, tmp_path: Path) -> None:
    paint("in/a.png")
    paint("in/b.tiff", seed=1)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    said = rhoscope(tmp_path / "in", "--method", "gradcam", model=model)
    assert (said.code, [Path(line["image"]).name for line in said.lines]) == (0, ["a.png", "b.tiff"])


def test_a_broken_picture_leaves_the_others_alone(
    rhoscope: Callable[..., Said], model: str, paint: Paint, tmp_path: Path
) -> None:
    good, small, whole = paint("good.png"), paint("small.png", (4, 4)), paint("whole.png")
    (cut := tmp_path / "cut.png").write_bytes(whole.read_bytes()[:100])
    said = rhoscope(cut, good, tmp_path / "none.png", small, "--method", "gradcam", model=model)
    assert said.code == 2
    assert [line["file"] for line in said.lines] == ["good/gradcam.npz"]
    assert [fault.split(": ")[1] for fault in said.faults] == [str(cut), str(tmp_path / "none.png"), str(small)]
    assert "3 left out" in said.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "3"], "out of range: * has classes 0 to 2"),
        (["--target", "-1"], "out of range"),
        (["--target", "birhc"], "did you mean 'birch'?"),
        (["--rho", "0"], "rho = 0.0: it must lie between"),
        (["--rho", "-0.1"], "rho = -0.1: it must lie between"),
        (["--rho", "nan"], "a finite number is needed"),
        (["--rho", "wide"], "--rho wide: a number, or none, is needed"),
        (["--method", "gradcm"], "did you mean 'gradcam'"),
        (["--set", "ape.stepps=5"], "did you mean 'steps'?"),
        (["--set", "ape.steps=many"], "a whole number is needed"),
        (["--set", "ape.steps=1"], "it must lie between"),
        (["--set", "steps=5"], "METHOD.KNOB=VALUE is needed"),
        (["--method", "gradcam", "--set", "ape.steps=5"], "'ape' is not asked"),
        (["--device", "tpu"], "'tpu'"),
        (["--unknown"], "--unknown"),
        (["--model", "demmo"], "did you mean 'demo'"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(
    arguments: Sequence[str], words: str, model: str, paint: Paint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    code = main(["explain", str(paint("cat.png")), "--model", model, "--out", str(out), *arguments])
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err.startswith("rhoscope: ")
    assert said.err.count("\n") == 1
    for word in words.split(" * "):
        assert word in said.err
    assert read(out) == []


def test_what_is_missing_is_said(capsys: pytest.CaptureFixture[str], model: str, paint: Paint) -> None:
    assert main(["explain", str(paint("cat.png")), "--model", model]) == 2
    assert "--out" in capsys.readouterr().err
    assert main(["explain", "--out", "x"]) == 2
    assert "IMAGE" in capsys.readouterr().err


def test_weights_that_are_not_numbers(rhoscope: Callable[..., Said], model: str, paint: Paint) -> None:
    said = rhoscope(paint("cat.png"), "--method", "gradcam", model=model.replace("tiny", "broken"))
    assert (said.code, said.lines, len(said.faults)) == (2, [], 1)
    assert "finite" in said.err


def test_a_method_that_does_not_apply(rhoscope: Callable[..., Said], model: str, paint: Paint) -> None:
    flat, picture = model.replace("tiny", "flat"), paint("cat.png")
    named = rhoscope(picture, "--method", "gradcam", "--method", "explain-plus", model=flat)
    assert (named.code, len(named.faults)) == (2, 1)
    assert "no convolutional layer" in named.err
    assert [line["method"] for line in named.lines] == ["explain-plus"]


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/rhoscope"])
def test_a_place_that_cannot_be_written(
    place: str, rhoscope: Callable[..., Said], model: str, paint: Paint, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    said = rhoscope(paint("cat.png"), "--method", "gradcam", model=model, out=tmp_path / place)
    assert (said.code, len(said.faults)) == (2, 1)
    assert "Cannot write to --out" in said.err


def test_the_command_itself(model: str, paint: Paint, tmp_path: Path) -> None:
    def run(out: str) -> subprocess.CompletedProcess[str]:
        arguments = ["explain", str(paint("cat.png")), "--model", model, "--method", "gradcam", "--out", out]
        return subprocess.run(
            [sys.executable, "-m", "cli", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )

    ran, wrong = run(str(tmp_path / "out")), run("/proc/none")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "1 result in" in ran.stdout
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)


def test_what_nobody_foresaw_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str, paint: Paint, tmp_path: Path
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr("explain_core.films.looking.read_picture", fail)
    arguments = ["explain", str(paint("cat.png")), "--model", model, "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    assert (
        capsys.readouterr().err == "rhoscope: unexpected ZeroDivisionError: two lines (rhoscope --debug shows where)\n"
    )
    with pytest.raises(ZeroDivisionError):
        main([*arguments, "--debug"])


def test_ctrl_c_keeps_what_is_finished(
    monkeypatch: pytest.MonkeyPatch, rhoscope: Callable[..., Said], model: str, paint: Paint
) -> None:
    def interrupted(*arguments: Any, method: str, **more: Any) -> Any:
        if method == "explain-plus":
            raise KeyboardInterrupt
        return explain(*arguments, method=method, **more)

    monkeypatch.setattr("explain_core.batch.explain", interrupted)
    said = rhoscope(paint("cat.png"), "--method", "gradcam", "--method", "explain-plus", model=model)
    assert (said.code, said.err) == (130, "rhoscope: interrupted; what was finished is written.\n")
    assert [line["method"] for line in said.lines] == ["gradcam"]
