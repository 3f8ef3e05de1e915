"""A step's films in the viewer, with the explanations that the step shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from explain_core import render
from explain_core.errors import DataError
from explain_core.films.exams import Exam
from explain_core.films.pyramid import MapRaster
from explain_core.films.record import Record, read
from explain_core.models.registry import workspace
from explain_core.reading.maps import read_map
from pages.parts import pixels
from pages.parts.films import viewer
from pages.parts.films.data import Overlay, Rows, rows_of, viewer_data

WORDS = "computed before the study, put back bilinear into the film's own pixels; the brightest is its largest value"


def hang(
    key: str, bundle: Path, told: Sequence[Mapping[str, Any]], on_act: Callable[[], None], *,
    explanations: Mapping[str, Mapping[str, Path]] | None = None,
    regions: Mapping[str, Sequence[Mapping[str, Any]]] | None = None, may_draw: bool = True,
) -> None:  # fmt: skip
    """Shows films as a study names them; raises DataError where one is not the film that it was."""
    folder = bundle / "films" if told[0]["root"] == "bundle" else workspace() / "films"
    rows = _rows([_record(folder, one) for one in told])
    overlays: dict[str, list[Overlay]] = {}
    for letter, files in (explanations or {}).items():
        for film, path in files.items():
            overlays.setdefault(film, []).append(_overlay(letter, path))
    data = viewer_data(rows, folder, pixels.address, overlays=overlays, regions=regions or {}, may_draw=may_draw)
    viewer(key, data, on_act)


def _rows(records: Sequence[Record]) -> Rows:
    """As an exam hangs; a single film by itself."""
    if len(records) == 1:
        return [[(records[0].label, records[0])]]
    exam = Exam(records[0].patient, records[0].exam, "", tuple(records))
    hung = {record.film for record in exam.hung().values()}
    return rows_of(exam, {}, None, [record for record in records if record.film not in hung])


def _record(folder: Path, told: Mapping[str, Any]) -> Record:
    record = read(folder / told["patient"] / told["exam"] / f"{told['film']}.json")
    if record.sha256 != told["sha256"] or list(record.size) != list(told["size"]):
        raise DataError(f"Film {told['film']} is not the one that the study was set up with: restore it.")
    return record


# Keyed by the file, which never changes under its name: the store compares its hash each time that it is shown.
@st.cache_resource(max_entries=16, show_spinner=False)
def _overlay(letter: str, path: Path) -> Overlay:
    values = read_map(path)
    ramp = np.linspace(0, 1, 256, dtype=np.float32)
    height, width = values.shape
    return Overlay(
        f"Explanation {letter}", MapRaster(values), (0.0, 0.0, float(width), float(height)),
        render.layer(ramp[None], 1.0)[0], WORDS,
    )  # fmt: skip
