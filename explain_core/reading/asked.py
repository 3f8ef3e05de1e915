"""What a study's build is asked: the spec of a run of the kind `study`.  Nothing here needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

KIND = "study"


def build_spec(
    data: str, arms: Sequence[str], *, model: str, practice: str = "", truth: Path | None = None,
    films: Path | None = None, target: str = "top1", title: str = "", seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Texts as `rhoscope study build` takes them; `truth` is a file, `films` the folder of films."""
    return {
        "model": model, "data": data, "practice": practice, "arms": list(arms), "target": target, "title": title,
        "seed": seed, "truth": str(truth.absolute()) if truth else "", "films": str(films.absolute()) if films else "",
    }  # fmt: skip
