"""A run's figures as one JSON file: what `rhoscope evaluate --out` writes and the Benchmarks page reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from explain_core.engine.answers import versions
from explain_core.errors import InputError
from explain_core.evaluation.folder import read_json, write_json
from explain_core.evaluation.run import Readings
from explain_core.evaluation.study import Study, Work
from explain_core.metrics.base import Reading, Summary
from explain_core.protocols.base import VALUE

FORMAT = 1
_FIELDS = {item.name for item in fields(Reading)}


def results(study: Study, found: Mapping[str, Readings]) -> dict[str, Any]:
    """All arms' figures; with one arm its own fields stand at the top, with several under `results`."""
    arms = [arm_result(study, work, found[work.key]) for work in study.works() if work.key in found]
    head = {"format": FORMAT, "name": study.name, "provenance": provenance(study)}
    if len(arms) == 1:
        return {**head, **arms[0]}
    return {**head, "value": {_label(arm, study): arm["value"] for arm in arms}, "results": arms}


def arm_result(study: Study, work: Work, found: Readings) -> dict[str, Any]:
    """One arm's figure with everything it rests on."""
    test, tuning = ([reading(record) for record in records] for records in (found.test, found.tuning))
    summary = work.metric.summarise(test, tuning, found.params, study.seed)
    knobs = found.params.as_dict()
    return {
        "metric": work.metric.name,
        "better": work.metric.better,
        "method": work.arm.method,
        "model": work.held.card.spec,
        "model_sha256": work.held.card.sha256,
        "row": work.arm.row or short_name(work.held.card.spec),
        "at": work.arm.at,
        "value": summary.value,
        "standard_error": summary.standard_error,
        "interval": summary.interval,
        "n": summary.n,
        "not_found": summary.not_found,
        "search": found.params.search,
        "columns": {title: column(summary, name) for title, name in work.arm.columns.items()},
        "numbers": dict(summary.numbers),
        "curves": dict(summary.curves),
        "units": sum(record["units"] for record in found.test) / max(1, len(found.test)),
        "seconds": sum(record["seconds"] for record in (*found.test, *found.tuning)),
        "metric_knobs": knobs,
        "method_knobs": dict(work.arm.method_knobs),
        "rho": work.arm.rho,
        "left_out": found.left_out,
        "tuned_on": len(found.tuning),
        "per_image": found.test,
    }


def short_name(spec: str) -> str:
    """A model's name in tables: that of its weights where it names a file.

    >>> short_name("preact-resnet44@networks/resnet44-robust.safetensors"), short_name("demo")
    ('resnet44-robust', 'demo')
    """
    architecture, _, weights = spec.partition("@")
    return Path(weights).stem if weights else architecture


def reading(record: Mapping[str, Any]) -> Reading:
    """A record as the reading that it was written from."""
    values = {name: value for name, value in record.items() if name in _FIELDS}
    values["curves"] = {name: tuple(curve) for name, curve in values["curves"].items()}
    return Reading(**values)


def provenance(study: Study) -> dict[str, Any]:
    return {**study.question(), "device": str(study.models[0].device), "versions": versions()}


def lines(values: Mapping[str, Any]) -> list[str]:
    """The figures as a table for a shell: a line for every arm."""
    arms = values.get("results") or [values]
    width = max(len(str(arm["row"])) for arm in arms)
    told = []
    for arm in arms:
        error = "" if arm["standard_error"] is None else f" ± {arm['standard_error']:.2g}"
        cells = "  ".join(f"{title} {_text(value)}" for title, value in arm["columns"].items())
        told.append(f"{arm['row']:{width}}  {cells}{error}  n {arm['n']}, not found {arm['not_found']}  {arm['model']}")
    return told


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def write_result(path: Path, values: Mapping[str, Any]) -> None:
    """Raises OutputError."""
    write_json(path, values)


def read_results(path: Path) -> list[dict[str, Any]]:
    """The arms of a result file; raises InputError where it is none."""
    found = read_json(path)
    if found is None or found.get("format") != FORMAT:
        raise InputError(f"{path.name} is no result of `rhoscope evaluate` in format {FORMAT}; choose another file.")
    arms: Sequence[dict[str, Any]] = found.get("results") or [found]
    return [{**arm, "name": found["name"], "provenance": found["provenance"]} for arm in arms]


def column(summary: Summary, name: str) -> float | None:
    """The figure that a column shows; None where the metric has none of that name."""
    return summary.value if name == VALUE else summary.numbers.get(name)


def _label(arm: Mapping[str, Any], study: Study) -> str:
    title = arm["row"] if len(study.models) == 1 else f"{arm['row']} · {arm['model']}"
    return title if list(arm["columns"]) == ["value"] else f"{title}: {next(iter(arm['columns']))}"
