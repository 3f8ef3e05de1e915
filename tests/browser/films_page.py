"""Films with a circle each, as a region and as a map, one at a time: `streamlit run films_page.py`.

FILMS_HOME is their folder; `circles.json` there says, by film, column, row and radius in pixels of the stored grid, or
null.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from streamlit import runtime

from explain_core.films.pyramid import MapRaster
from explain_core.films.record import find
from pages.parts import pixels
from pages.parts.films import viewer
from pages.parts.films.data import Overlay, viewer_data

COLOURS = np.repeat(np.array([[0, 0, 0, 0], [255, 214, 0, 255]], np.uint8), 128, axis=0)


def show() -> None:
    home = Path(os.environ["FILMS_HOME"])
    circles = json.loads((home / "circles.json").read_text())
    name = list(circles)[int(st.number_input("Number", 0, len(circles) - 1, key="number"))]
    record, circle = find(home / "films", name), circles[name]
    overlays: dict[str, list[Overlay]] = {}
    regions: dict[str, list[dict[str, Any]]] = {}
    if circle:
        x, y, radius = circle
        down, across = np.ogrid[: record.size[0], : record.size[1]]
        disc = (across + 0.5 - x) ** 2 + (down + 0.5 - y) ** 2 <= radius**2
        box = (0.0, 0.0, float(record.size[1]), float(record.size[0]))
        overlays[name] = [
            Overlay("the circle", MapRaster(disc.astype(np.float32)), box, COLOURS, "drawn in the film's grid")
        ]
        regions[name] = [{"id": name, "ellipse": {"cx": x, "cy": y, "rx": radius, "ry": radius, "angle": 0}}]
    viewer(
        "one",
        viewer_data([[("film", record)]], home / "films", pixels.address, overlays=overlays, regions=regions),
        list,
    )


if runtime.exists():
    show()
else:
    app = st.App(__file__, routes=pixels.ROUTES)
