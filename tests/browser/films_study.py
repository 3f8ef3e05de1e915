"""Four views of phantoms as a study of DICOM files, stored and windowed in ways as different as can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain_core.data.phantom import phantom
from explain_core.dicom.decode import Decoder
from explain_core.dicom.film import Film
from explain_core.films.importing import import_folder
from explain_core.films.record import records
from tests.dicom.making import film, saved, table

HIGH, WIDE = 1400, 1100
SEEDS = {"RCC": 0, "RMLO": 1, "LCC": 2, "LMLO": 8}


def values(place: str) -> NDArray[np.uint16]:
    """A phantom of 12 bits, no two neighbours of which are alike."""
    made = phantom(SEEDS[place], (HIGH // 2, WIDE // 2))
    assert made.side + made.view == place
    grain = np.add.outer(7 * np.arange(HIGH), 13 * np.arange(WIDE)) % 64
    return (made.pixels.repeat(2, 0).repeat(2, 1) * 4000 + grain).astype(np.uint16)


def study(folder: Path) -> Path:
    """Four views of phantoms that are stored and windowed in ways as different as can be."""
    told: dict[str, dict[str, Any]] = {
        "RCC": {"PatientOrientation": ["P", "L"], "ImagerPixelSpacing": [0.1, 0.2]},
        "LCC": {"PatientOrientation": ["P", "R"], "PhotometricInterpretation": "MONOCHROME1",
                "VOILUTFunction": "SIGMOID", "ImagerPixelSpacing": None},
        "RMLO": {"PatientOrientation": ["A", "HR"], "RescaleIntercept": -1024, "RescaleSlope": 2, "WindowCenter": 3000,
                 "PixelPaddingValue": 0, "WindowWidth": 4000, "VOILUTFunction": "LINEAR_EXACT"},
        "LMLO": {"PatientOrientation": ["A", "FR"], "WindowCenter": None, "WindowWidth": None,
                 "EstimatedRadiographicMagnificationFactor": 1.25,
                 "VOILUTSequence": [table([int(4095 * (n / 4095) ** 2) for n in range(4096)], 0, 12)]},
    }  # fmt: skip
    for number, (place, tags) in enumerate(told.items()):
        stored = values(place)
        if place == "LCC":
            stored = 4095 - stored[:, ::-1]  # mirrored, and bright where low
        if place == "RMLO":
            stored = stored[::-1, ::-1]  # upside down
        given = {"ImageLaterality": place[0], "ViewPosition": place[1:], "SOPInstanceUID": f"1.2.3.{number}", **tags}
        saved(folder / f"{number}.dcm", film(np.ascontiguousarray(stored), **given))
    return folder


def open_up(home: Path, source: Path) -> dict[str, Film]:
    """Imports a folder into a workspace; its films by place."""
    with Decoder() as decoder:
        done = import_folder(source, home / "films", b"k" * 32, decoder)
    assert not done.faults
    return {record.label: record.open(home / "films") for record in records(home / "films")}
