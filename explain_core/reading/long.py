"""A study's bundle as long work: from names to networks and films."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from explain_core.engine.library import Library, choose_device
from explain_core.methods import METHODS
from explain_core.models.registry import workspace
from explain_core.reading import build
from explain_core.reading.cases import StudyCase, read_cases, read_truth
from explain_core.runs.kinds import Report

TITLE = "Reader study"
"""Where none is given: readers see it, so it names neither the model nor the seed of phantoms."""


def work(spec: Mapping[str, Any], folder: Path, report: Report) -> None:
    """A run of the kind `study`."""
    carry_out(spec, folder, report.device, on_progress=report.progress, on_fault=_say)


def carry_out(
    spec: Mapping[str, Any], folder: Path, device: str, *, on_progress: Callable[[float], None],
    on_fault: Callable[[str], None],
) -> Path:  # fmt: skip
    """The bundle's folder.  `spec`: model, data, arms (texts), and where wanted practice, truth (a file), films (a
    folder), target, seed and title; raises what `build` does, and DataError, InputError for cases that there are not.
    """
    arms = build.arms_from(spec["arms"])
    truth = read_truth(Path(spec["truth"])) if spec.get("truth") else {}
    films = Path(spec["films"]) if spec.get("films") else workspace() / "films"

    def cases(bundle: Path) -> list[StudyCase]:
        return read_cases(spec["data"], spec.get("practice", ""), bundle, films, truth)

    held = Library(choose_device(device), METHODS).open(spec["model"])
    return build.carry_out(
        held, cases, arms, folder, spec=spec, title=spec.get("title") or TITLE,
        target=spec.get("target") or build.TOP, seed=spec.get("seed", 0), on_progress=on_progress, on_fault=on_fault,
    )  # fmt: skip


def _say(fault: str) -> None:
    print(f"rhoscope: {fault}", file=sys.stderr, flush=True)
