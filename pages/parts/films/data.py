"""What the viewer is given: which film hangs where and how, its greys, its millimetres, and what is said of it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain_core.dicom.film import Film, Lut, VoiWindow
from explain_core.dicom.transforms import grey_table, modality, usual
from explain_core.dicom.views import STANDARD
from explain_core.films.exams import SPECIAL, Exam
from explain_core.films.pyramid import TILE, FilmRaster, MapRaster, Raster
from explain_core.films.record import CONFIRM, WHOSE, Record
from explain_core.films.side import chest_wall

Address = Callable[[Raster], str]
Rows = list[list[tuple[str, Record | None]]]
"""Places of the films, row by row, and which film hangs there."""
WALL = {"R": "right", "L": "left"}
"""Where the chest wall hangs: the breasts stand back to back, so that they can be compared."""
LEADS = {"P": "right", "A": "left"}
"""Where the chest wall is stored, by where rows lead."""
ENDS = (0.02, 0.98)
"""Greys between which a table is taken for a window."""


@dataclass(frozen=True, eq=False)
class Overlay:
    """A map to lay over a film.  `box` (left, top, width, height) is the part of the film, in its pixels, that it
    covers; `colours` uint8 (256, 4), RGBA; `mapping` says in words how it came into the film's grid; the middle of a
    `signed` one stands for nothing."""

    name: str
    raster: MapRaster
    box: tuple[float, float, float, float]
    colours: NDArray[np.uint8]
    mapping: str
    signed: bool = False


@dataclass(frozen=True)
class Hung:
    """How a film is mirrored and turned to hang as usual, and what is to be said of that."""

    mirror: bool = False
    turn: int = 0
    note: str = ""


def rows_of(exam: Exam, chosen: Mapping[str, Record], prior: Exam | None, others: Sequence[Record]) -> Rows:
    """R before L, CC above MLO, a prior exam to the right, other films below; a row without any film is left out.

    `chosen` says which film hangs where a view is there several times.
    """
    hung = {**exam.hung(), **chosen}
    before = prior.hung() if prior else {}
    rows: Rows = []
    for view in STANDARD:
        rows.append([(side + view, hung.get(side + view)) for side in "RL"])
        rows[-1] += [(f"{side}{view} prior", before.get(side + view)) for side in "RL"] if prior else []
    kept, wide = [row for row in rows if any(film for _, film in row)], len(rows[0])
    for start in range(0, len(others), wide):
        some = others[start : start + wide]
        kept.append([*((film.film, film) for film in some), *[("", None)] * (wide - len(some))])
    return kept


def viewer_data(
    rows: Rows,
    films: Path,
    address: Address,
    *,
    overlays: Mapping[str, Sequence[Overlay]] = {},
    regions: Mapping[str, Sequence[Mapping[str, Any]]] = {},
    may_draw: bool = True,
) -> dict[str, Any]:
    """What `viewer` shows; raises DataError for a film whose file is gone.

    `overlays` and `regions` are those of each film, by its name, regions with an `id` beside their shape.
    """
    views = []
    for place, record in (cell for row in rows for cell in row):
        if record:
            own = [_overlay(one, address) for one in overlays.get(record.film, ())]
            drawn = [dict(one) for one in regions.get(record.film, ())]
            raster = _raster(FilmRaster(films, record), address)
            views.append({**_film(films, record), **raster, "place": place, "overlays": own, "regions": drawn})
    return {"views": views, "rows": [[place for place, _ in row] for row in rows], "may_draw": may_draw}


def hung(record: Record, wall: str) -> Hung:
    """By where rows and columns lead; where the file does not tell, by where the breast begins in the picture (`wall`).

    What is not known, or said in two ways, hangs as it is stored, and says so.
    """
    wanted = WALL.get(record.facts.laterality)
    rows, columns = (*record.facts.orientation, "", "")[:2]
    told = LEADS.get(rows[:1], "")
    if wanted is None:
        return Hung(note="laterality not known: hung as stored")
    if told and wall and told != wall:
        return Hung(note="orientation and picture disagree: hung as stored")
    if not (told or wall):
        return Hung(note="side of the chest wall not known: hung as stored")
    aside, upside_down = (told or wall) != wanted, columns[:1] == "H"
    note = "" if told else "orientation not told: hung by where the breast begins"
    return Hung(aside != upside_down, 180 if upside_down else 0, note)


def notes(record: Record, hanging: Hung) -> list[str]:
    """What must be seen beside the picture, in few words; the page tells the rest."""
    return list(_notes(record, hanging))


def label(record: Record) -> str:
    """Laterality and view, with a question mark where somebody still has to confirm something."""
    words = f"{record.facts.laterality or '?'} {record.facts.view or '?'}"
    return words if record.state == "ready" else f"{words} ?"


def presets(film: Film, whole: VoiWindow) -> list[dict[str, Any]]:
    """The file's own ways to show it, and the whole range last."""
    return [*(_preset(film, one, whole) for one in film.facts.vois), _preset(film, whole, whole)]


def _notes(record: Record, hanging: Hung) -> Iterator[str]:
    waiting = [note for note in record.notes if note.endswith(CONFIRM)]
    if any(not note.endswith(WHOSE) for note in waiting):
        yield f"laterality and view {CONFIRM}"
    if any(note.endswith(WHOSE) for note in waiting):
        yield WHOSE
    if record.facts.intent == "processing":
        yield "for processing, not for presentation"
    yield from (word for word in record.facts.modifiers if word in SPECIAL)
    if record.facts.implant:
        yield "breast implant"
    if hanging.note:
        yield hanging.note


@lru_cache(maxsize=512)
def _film(films: Path, record: Record) -> dict[str, Any]:
    """Of the film alone, without where it hangs."""
    film, facts = record.open(films), record.facts
    hanging = hung(record, chest_wall(film))
    return {
        "name": record.film, "label": label(record), "date": _date(record), "side": facts.laterality,
        "notes": notes(record, hanging), "mirror": hanging.mirror, "turn": hanging.turn,
        "modality": _modality(film), "values": 1 << facts.bits, "inverse": facts.inverse,
        "padding": facts.padding and [end - film.lowest for end in facts.padding],
        "presets": presets(film, whole_range(film)),
        "spacing": {"row": facts.spacing.row, "column": facts.spacing.column, "kind": facts.spacing.plane},
    }  # fmt: skip


def whole_range(film: Film) -> VoiWindow:
    """A window over all that is no padding."""
    found = usual(Film(film.stored, replace(film.facts, vois=()), film.sha256))
    return found if isinstance(found, VoiWindow) else VoiWindow(0.5, 1.0)


def _modality(film: Film) -> dict[str, Any]:
    rescale = film.facts.rescale
    if not isinstance(rescale, Lut):
        return {"slope": rescale.slope, "intercept": rescale.intercept, "low": film.lowest}
    values = modality(np.arange(film.lowest, film.lowest + (1 << film.facts.bits)), rescale)
    return {"table": _base64(values.astype("<f4")), "low": film.lowest}


def _preset(film: Film, voi: VoiWindow | Lut, whole: VoiWindow) -> dict[str, Any]:
    name = voi.explanation.lower()
    if isinstance(voi, VoiWindow):
        return {"name": name, "center": voi.center, "width": voi.width, "function": voi.function}
    plain = Film(film.stored, replace(film.facts, inverse=False), film.sha256)
    low, greys = grey_table(plain, voi)
    near = _near(modality(np.arange(low, low + len(greys)), film.facts.rescale), greys) or whole
    return {
        "name": name or "table", "greys": _base64(np.rint(greys * 255).astype(np.uint8)),
        "near": {"center": near.center, "width": near.width, "function": near.function},
    }  # fmt: skip


def _near(values: NDArray[Any], greys: NDArray[Any]) -> VoiWindow | None:
    """The window that comes nearest to a rising table."""
    inside = values[(greys > ENDS[0]) & (greys < ENDS[1])]
    if len(inside) < 2 or greys[-1] <= greys[0]:
        return None
    low, high = float(inside.min()), float(inside.max())
    return VoiWindow((low + high) / 2, max(high - low, 2.0))


def _raster(raster: Raster, address: Address) -> dict[str, Any]:
    return {"id": raster.name, "address": address(raster), "size": raster.size, "levels": raster.levels, "tile": TILE}


def _overlay(overlay: Overlay, address: Address) -> dict[str, Any]:
    told = {"name": overlay.name, "box": overlay.box, "mapping": overlay.mapping, "signed": overlay.signed}
    return {**told, **_raster(overlay.raster, address), "colours": _base64(overlay.colours)}


def _date(record: Record) -> str:
    day = record.date
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else ""


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
