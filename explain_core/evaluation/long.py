"""An evaluation as long work: what a run of the kind `evaluate` does, and `rhoscope evaluate` too."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explain_core.evaluation.asked import study_asked
from explain_core.evaluation.result import results, write_result
from explain_core.evaluation.run import OnFault, OnProgress, run
from explain_core.evaluation.study import Study
from explain_core.runs.kinds import Report


def evaluate(spec: Mapping[str, Any], folder: Path, report: Report) -> None:
    """`spec` holds what `study_asked` takes but for the device; FOLDER is NAME.run, and NAME.json the result."""
    asked = {**spec, "models": spec["models"] or ["demo"]}
    study = study_asked(**asked, device=report.device)
    measure(study, folder.with_suffix(".json"), on_progress=report.progress, on_fault=_say)


def measure(study: Study, out: Path, *, on_progress: OnProgress, on_fault: OnFault) -> dict[str, Any]:
    """The figures, written to `out`; records lie beside it in its .run."""
    values = results(study, run(study, out.with_suffix(".run"), on_progress=on_progress, on_fault=on_fault))
    write_result(out, values)
    return values


def _say(fault: str) -> None:
    print(f"rhoscope: {fault}", file=sys.stderr, flush=True)
