"""The rules of docs/architecture.md, held against the source: who imports whom, and how long things are."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path.relative_to(ROOT)
    for path in [
        ROOT / "app.py",
        ROOT / "cli.py",
        *(p for d in ("explain_core", "annotations", "pages") for p in (ROOT / d).rglob("*.py")),
    ]
    if path.exists()
)
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))

LAYERS = (
    {"errors", "formats", "heap", "params", "records", "shapes", "types", "__version__"},
    {"backward", "data", "dicom", "hooks", "models", "path", "render"},
    {"descent", "sampling"},
    {"attacks"},
    {"methods", "metrics"},
    {"protocols"},
    {"engine", "export"},
    {"api", "asked", "batch", "bench", "campaign", "evaluation", "films", "library", "listing"}
    | {"reading", "runs", "terminal", "training"},
    {"retraining"},
)
"""The parts of explain_core, lowest first; a part imports its own layer and those below."""

HOME = {"explain": "api", "load_model": "models"}
FOR_ANNOTATIONS = {"errors", "formats", "params", "records", "shapes", "__version__"}
LONGEST_FILE, LONGEST_FUNCTION = 400, 60


def imports(source: str) -> Iterator[str]:
    """Every dotted name that a source imports, wherever in it; `from a import b` gives a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def layer(part: str) -> int:
    for rank, parts in enumerate(LAYERS):
        if part in parts:
            return rank
    raise LookupError(f"explain_core.{part} has no place in LAYERS: give it one, here and in docs/architecture.md")


def import_faults(path: Path, source: str) -> list[str]:
    """What `path` (relative to the repository) imports and may not."""
    top, part = path.parts[0], Path(path.parts[1]).stem if len(path.parts) > 1 else ""
    faults = []
    for name in imports(source):
        package, *rest = name.split(".")
        target = HOME.get(rest[0], rest[0]) if rest else ""
        if not package:
            faults.append(f"{path}: relative import {name}")
        if package == "streamlit" and top not in ("app.py", "pages"):
            faults.append(f"{path}: only app.py and pages know Streamlit")
        if package in ("torch", "torchvision") and top in ("app.py", "pages", "annotations"):
            faults.append(f"{path}: {top} never imports torch")
        if package in ("app", "cli", "pages") and top in ("explain_core", "annotations"):
            faults.append(f"{path}: {name} is above")
        if package == "annotations" and top == "explain_core":
            faults.append(f"{path}: {name} is above")
        if package == "explain_core" and top == "annotations" and target not in FOR_ANNOTATIONS:
            faults.append(f"{path}: annotations use {', '.join(sorted(FOR_ANNOTATIONS))} only, not {name}")
        if package == "explain_core" and top == "explain_core" and part != "__init__" and layer(target) > layer(part):
            faults.append(f"{path}: {name} is above")
    return faults


def length_faults(path: Path, source: str) -> list[str]:
    lines = source.count("\n")
    faults = [f"{path}: {lines} lines"] if lines > LONGEST_FILE else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                faults.append(f"{path}: {node.name} has {length} lines")
    return faults


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_point_one_way(path: Path) -> None:
    assert import_faults(path, (ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=str)
def test_nothing_is_too_long(path: Path) -> None:
    assert length_faults(path, (ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("explain_core/descent/loop.py", "from explain_core.engine.engine import Engine"),
        ("explain_core/descent/loop.py", "from explain_core import explain"),
        ("explain_core/methods/ape.py", "def late():\n    import cli"),
        ("explain_core/methods/ape.py", "from .base import Method"),
        ("explain_core/api.py", "import streamlit as st"),
        ("explain_core/records.py", "import annotations"),
        ("cli.py", "from streamlit.web import bootstrap"),
        ("pages/explore.py", "import torch.nn"),
        ("pages/parts/knobs.py", "from torch import nn"),
        ("annotations/store.py", "from explain_core.methods import METHODS"),
    ],
)
def test_a_forbidden_import_is_found(path: str, source: str) -> None:
    assert len(import_faults(Path(path), source)) == 1


def test_what_is_too_long_is_found() -> None:
    function = "def f():\n" + "    x = 1\n" * 60
    assert length_faults(Path("long.py"), function) == ["long.py: f has 61 lines"]
    assert length_faults(Path("long.py"), "\n" * 401) == ["long.py: 401 lines"]


@pytest.mark.parametrize(
    "module", ["annotations", "explain_core.dicom.answers", "explain_core.params", "explain_core.records", "cli"]
)
def test_torch_stays_out(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'streamlit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_no_catch_all_modules() -> None:
    assert [path for path in SOURCES if path.stem in {"utils", "helpers", "common", "misc"}] == []
