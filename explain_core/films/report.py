"""A case as one HTML file: films, what was drawn on them, explanations and where they come from.

It holds its pictures itself, runs nothing, loads nothing, and names no patient: films go by their pseudonyms.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import htpy as h
import numpy as np
from PIL import Image

from explain_core import __version__, render
from explain_core.data.marked import Marked, on_film
from explain_core.dicom.film import Film
from explain_core.dicom.transforms import grey_table, usual
from explain_core.errors import InputError
from explain_core.export import plain
from explain_core.films.exams import exams
from explain_core.films.overlap import Overlap, overlap
from explain_core.films.record import CONFIRM, Record
from explain_core.films.spacing import spacing_text
from explain_core.records import Floats
from explain_core.shapes import Ellipse, Points

LONGEST = 1200
"""Of a picture's sides, in pixels; larger films are averaged down."""
OPACITY = 0.6
CAUTIONS = (
    "Research use only, not for diagnosis.",
    "Pictures are reduced to 8 bits of grey through one window, averaged down where they are large, and seen on a "
    "display that nobody has calibrated: what cannot be seen here may be on the film.",
    "An explanation tells what moved a network's answer. It is no finding, and its colours are no probabilities.",
    "Films stand as their files hold them, and are not hung.",
)
ORIGIN = (
    "method", "method_version", "rho", "params", "seed", "model", "model_sha256", "target", "target_name",
    "p_target_before", "p_target_after", "outcome", "device", "versions",
)  # fmt: skip
"""What is told of an explanation; never its picture's file name, which may be a patient's."""
STYLE = """
body{font:16px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:80rem;padding:0 1rem;color:#1a1a1a}
html{background:#fff}
.caution{border:2px solid #8a1c1c;padding:.25rem 1rem;background:#fff4f4}
.films{display:grid;grid-template-columns:repeat(auto-fit,minmax(22rem,1fr));gap:1rem}
figure{margin:0}svg{width:100%;max-height:90vh;background:#000}
table{border-collapse:collapse;margin:.5rem 0}th,td{border:1px solid #888;padding:.2rem .5rem;text-align:left}
td{overflow-wrap:anywhere}.bar{display:inline-block;width:12rem;height:.8rem;vertical-align:middle}
"""


@dataclass(frozen=True, eq=False)
class Shown:
    """A film of the case.  `saliency` (h, w) on its grid, as it came; `origin` what is known of where it came from."""

    record: Record
    film: Film
    marked: Sequence[Marked] = ()
    saliency: Floats | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)


def case_report(shown: Sequence[Shown], made: datetime | None = None) -> str:
    """The whole HTML.  Raises InputError for films of several patients, one in quarantine, or what does not fit it."""
    if not shown:
        raise InputError("A case without films: name one.")
    for one in shown:
        _check(one)
    first = shown[0].record
    if {(one.record.patient, one.record.exam) for one in shown} != {(first.patient, first.exam)}:
        raise InputError("The films are of several patients or exams: make a report of each.")
    (exam,) = exams(one.record for one in shown)
    shown = sorted(shown, key=lambda one: exam.films.index(one.record))
    when = (made or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC")
    shifted = " (a shifted date)" if first.date else ""
    head = h.head[
        h.meta(charset="utf-8"),
        h.meta(name="viewport", content="width=device-width"),
        h.title[f"Case {first.patient}"],
        h.style[h.fragment[STYLE]],
    ]
    body = h.body[
        h.h1["Case report"],
        h.div(".caution", role="note")[(h.p[text] for text in CAUTIONS)],
        h.p[f"Patient {first.patient} (a pseudonym), exam {first.exam}{shifted}; {len(shown)} of its films."],
        h.ul[(h.li[note] for note in exam.notes())] if exam.notes() else None,
        (_section(one) for one in shown),
        h.p[f"Made {when} by Rhoscope {__version__}."],
    ]
    return "".join(h.html(lang="en")[head, body].iter_chunks())


def _check(one: Shown) -> None:
    if one.record.state == "quarantined":
        raise InputError(f"Film {one.record.film} is in quarantine: look at it, and release it first.")
    if one.saliency is not None and one.saliency.shape != one.film.size:
        raise InputError(f"A map of {one.saliency.shape} for a film of {one.film.size} (h, w): place it on its grid.")
    if one.saliency is not None and not np.isfinite(one.saliency).all():
        raise InputError("The map has values that are no numbers: explain the film again.")
    for marked in one.marked:
        on_film(marked.shape, one.film.size)


def view_of(record: Record) -> str:
    """Laterality and view, and that they are not sure where a person has yet to confirm anything."""
    return f"{record.label}, {CONFIRM}" if record.state == "unconfirmed" else record.label


def _section(one: Shown) -> h.Element:
    title = view_of(one.record)
    picture = _grey(one.film)
    figures = [_figure(one, picture, None, f"{title}: the film" + (", with what was drawn" if one.marked else ""))]
    if one.saliency is not None:
        reduced = _reduced(one.saliency)
        method = one.origin.get("method", "an explanation")
        figures.append(_figure(one, picture, reduced, f"{title}: {method} laid over it"))
    facts = one.film.facts
    window = getattr(usual(one.film), "explanation", "") or "the film's first"
    told = [spacing_text(facts.spacing), f"{one.film.size[1]} × {one.film.size[0]} pixels", f"window: {window}"]
    return h.section[
        h.h2[title],
        h.p["; ".join(told) + "."],
        h.ul[(h.li[note] for note in one.record.notes)] if one.record.notes else None,
        h.div(".films")[figures],
        _regions(one.marked),
        _figures_of(one),
        _provenance(one),
    ]


def _figure(one: Shown, picture: str, saliency: Floats | None, caption: str) -> h.Element:
    height, width = one.film.size
    box = {"width": width, "height": height, "preserveAspectRatio": "none"}
    over: list[h.Node] = []
    if saliency is not None:
        layer = _uri(render.layer(saliency, render.scale_of(saliency)))
        over = [_svg("image", {"href": layer, "opacity": OPACITY, **box})]
    drawn = [_drawn(marked, number, max(width, height) / 400) for number, marked in enumerate(one.marked, 1)]
    legend = _legend(saliency) if saliency is not None else None
    return h.figure[
        h.svg({"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": caption})[
            _svg("image", {"href": picture, **box}), over, drawn
        ],
        h.figcaption[caption, ". ", legend],
    ]


def _drawn(marked: Marked, number: int, stroke: float) -> h.Node:
    line = {"fill": "none", "stroke": "#ffd600", "stroke-width": round(stroke, 2)}
    shape = marked.shape
    if isinstance(shape, Ellipse):
        turn = f"rotate({shape.angle} {shape.cx} {shape.cy})"
        form = {"cx": shape.cx, "cy": shape.cy, "rx": shape.rx, "ry": shape.ry, "transform": turn}
        outline = _svg("ellipse", {**form, **line})
    else:
        outline = _svg("polygon", {"points": " ".join(f"{x:g},{y:g}" for x, y in shape.outline()), **line})
    x, y = min(shape.outline(), key=lambda point: point[1])
    place = {"x": round(x, 1), "y": round(max(y - 2 * stroke, 9 * stroke), 1)}
    text = {**place, "fill": "#ffd600", "font-size": 9 * stroke}
    return [outline, _svg("text", text)[str(number)]]


def _svg(name: str, attributes: Mapping[str, Any]) -> h.Element:
    element: h.Element = getattr(h, name)
    return element({key: value if isinstance(value, str) else str(value) for key, value in attributes.items()})


def _regions(marked: Sequence[Marked]) -> h.Node:
    if not marked:
        return None
    rows = [[str(number), one.title, _code(one), _extent(one.shape.outline())] for number, one in enumerate(marked, 1)]
    return _table(("", "what was drawn", "code", "columns and rows, in pixels"), rows)


def _code(marked: Marked) -> str:
    return f"{marked.code.meaning} ({marked.code.scheme} {marked.code.value})" if marked.code else "none"


def _extent(outline: Points) -> str:
    spans = [(min(axis), max(axis)) for axis in zip(*outline, strict=True)]
    return " · ".join(f"{low:.1f} to {high:.1f}" for low, high in spans)


def _figures_of(one: Shown) -> h.Node:
    if one.saliency is None or not one.marked:
        return None
    found: Overlap = overlap(one.saliency, [marked.shape for marked in one.marked])
    told = {
        "IoU of the regions and as many of the strongest positive pixels": _number(found.iou),
        "positive saliency inside the regions": _number(found.energy),
        "film that the regions cover (what a constant map reaches)": _number(found.area),
        "strongest pixel in a region": {True: "yes", False: "no", None: "not defined"}[found.hit],
        "share of the strongest pixels' components that touch a region": _number(found.hit_rate),
    }
    return _table(("explanation and what was drawn", ""), [[name, value] for name, value in told.items()])


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _provenance(one: Shown) -> h.Node:
    told = {"film": one.record.film, "pixels (SHA-256)": one.record.sha256}
    if one.saliency is not None:
        told["map (SHA-256)"] = hashlib.sha256(np.ascontiguousarray(one.saliency, "<f4").tobytes()).hexdigest()
        known = {name: json.dumps(plain(one.origin[name]), ensure_ascii=False) for name in ORIGIN if name in one.origin}
        told |= known or {"where the map comes from": "not known: it came without a record"}
    return h.details[
        h.summary["Where this comes from"], _table(("", ""), [[name, text] for name, text in told.items()])
    ]


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> h.Element:
    head = h.thead[h.tr[(h.th[title] for title in titles)]] if any(titles) else None
    return h.table[head, h.tbody[(h.tr[(h.td[cell] for cell in row)] for row in rows)]]


def _legend(saliency: Floats) -> h.Node:
    signed = render.is_signed(saliency)
    ends = ("strongest against", "strongest for") if signed else ("none", "strongest")
    scale = ", ".join(render.legend(signed))
    return [f"{ends[0]} ", h.span(".bar", style=f"background:linear-gradient(90deg,{scale})"), f" {ends[1]}"]


def _grey(film: Film) -> str:
    low, table = grey_table(film)
    greys = np.round(table * 255).astype(np.uint8)[film.stored.astype(np.int32) - low]
    return "data:image/png;base64," + base64.b64encode(render.png(greys, LONGEST)).decode()


def _reduced(saliency: Floats) -> Floats:
    """Averaged down to what is shown."""
    picture = Image.fromarray(saliency.astype(np.float32))
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.BOX)
    return np.asarray(picture, np.float32)


def _uri(picture: render.Picture) -> str:
    return "data:image/png;base64," + base64.b64encode(render.png(picture)).decode()
