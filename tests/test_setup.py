"""The two commands, the package's table of contents and the README hold together."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import explain_core
from tests.test_architecture import SOURCES, imports

ROOT = Path(__file__).resolve().parents[1]
CALLED = {"skimage": "scikit-image", "PIL": "pillow"}
OURS = {"annotations", "app", "cli", "explain_core", "pages"}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with the Makefile, and everything installed as far as make can tell."""
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    os.utime(tmp_path / "pyproject.toml", (1000, 1000))
    (tmp_path / ".venv").mkdir()
    for number, stamp in enumerate((".made", ".ready", ".ready-for-tests")):
        (tmp_path / ".venv" / stamp).touch()
        os.utime(tmp_path / ".venv" / stamp, (2000 + number, 2000 + number))
    return tmp_path


def planned(folder: Path, *targets: str) -> str:
    """What make would do."""
    command = ["make", "--dry-run", "--no-print-directory", *targets]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_what_is_there_is_used_again(bare: Path) -> None:
    assert "Nothing to be done" in planned(bare, "setup")
    assert planned(bare, "run") == ".venv/bin/rhoscope app\n"
    assert planned(bare, "test").splitlines()[-1].startswith("OMP_NUM_THREADS=1 .venv/bin/python -m pytest ")
    assert "pip" not in planned(bare, "test")


def test_only_a_new_pyproject_installs_again(bare: Path) -> None:
    os.utime(bare / "pyproject.toml", (3000, 3000))
    assert "pip install --editable ." in planned(bare, "setup")
    assert "venv .venv" not in planned(bare, "setup")
    assert "pip install --editable '.[test]'" in planned(bare, "test")


def test_from_nothing_everything_is_made(bare: Path) -> None:
    shutil.rmtree(bare / ".venv")
    steps = planned(bare, "run")
    assert [word in steps for word in ("-m venv .venv", "pip install --editable .", "rhoscope app")] == [True] * 3
    assert "[test]" not in steps


def test_the_command_and_the_packages_exist(project: dict[str, Any]) -> None:
    module, name = project["project"]["scripts"]["rhoscope"].split(":")
    assert callable(getattr(importlib.import_module(module), name))
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "explain_core.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", explain_core.__version__)
    for name in project["tool"]["setuptools"]["py-modules"]:
        assert (ROOT / f"{name}.py").is_file()


def test_every_package_that_is_imported_is_declared(project: dict[str, Any]) -> None:
    declared = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["timm"]
    names = {re.split(r"[<>=~!\[; ]", text)[0] for text in declared}
    used = {name.split(".")[0] for path in SOURCES for name in imports((ROOT / path).read_text(encoding="utf-8"))}
    foreign = {CALLED.get(name, name) for name in used - OURS - set(sys.stdlib_module_names)}
    assert foreign <= names


def test_the_page_is_for_this_machine_and_phones_nowhere() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert config["server"]["address"] == "127.0.0.1"
    assert config["browser"]["gatherUsageStats"] is False
    assert config["client"]["showErrorDetails"] == "none"


def test_ci_runs_the_command_of_the_readme() -> None:
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    script = (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    for command in ("make run", "make test"):
        assert command in readme
        assert re.search(rf"^{command.split()[1]}:", makefile, re.MULTILINE)
    assert re.search(r"^make test$", script, re.MULTILINE)
    assert "RHOSCOPE_REQUIRE=browser" in script


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_machine() -> None:
    machine = re.compile(rb"(?<![\w.])/(work|root)/\w")
    assert [path.name for path in tracked() if machine.search(path.read_bytes())] == []


def test_the_weights_are_small_and_no_pickle() -> None:
    weights = [path for path in tracked() if "weights" in path.parts]
    assert sum(path.stat().st_size for path in weights) < 5_000_000
    assert {path.suffix for path in tracked()}.isdisjoint({".pt", ".pth", ".pkl", ".ckpt"})


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("import pytest\n@pytest.mark.browser\ndef test_page(): pytest.skip('no browser')", "test_page.py"),
        ("import pytest\npytest.skip('no browser', allow_module_level=True)", "browser/test_page.py"),
    ],
)
def test_a_skip_is_a_failure_where_the_browser_is_required(tmp_path: Path, source: str, place: str) -> None:
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "browser").mkdir()
    (tmp_path / place).write_text(source)
    (tmp_path / "test_other.py").write_text("import pytest\ndef test_gpu(): pytest.skip('no device')")
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-W", "ignore", "--rootdir", str(tmp_path)]

    def run(required: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "RHOSCOPE_REQUIRE": required}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert run("").returncode in (0, 5)
    strict = run("browser")
    assert strict.returncode in (1, 2)
    assert "browser is required here" in strict.stdout
