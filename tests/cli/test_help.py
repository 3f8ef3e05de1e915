"""The shell's own start: help needs none of what takes long to import."""

from __future__ import annotations

import subprocess
import sys

SLOW = {
    "torch",
    "numpy",
    "scipy",
    "PIL",
    "pandas",
    "streamlit",
    "plotly",
    "pydicom",
    "highdicom",
    "sqlalchemy",
    "safetensors",
}


def test_help_imports_nothing_slow() -> None:
    asked = f"import cli, sys; print(*sorted({SLOW!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
