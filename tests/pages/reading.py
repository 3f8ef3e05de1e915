"""What a page under AppTest shows."""

from __future__ import annotations

import json
from typing import Any

from streamlit.testing.v1 import AppTest

from explain_core.path import RHO_GRID


def components(app: AppTest) -> list[dict[str, Any]]:
    """The data of every panel, in the order of the page."""
    found = [element.proto.json for element in app.get("bidi_component") if "panel" in element.proto.component_name]
    return [json.loads(text) for text in found]


def solving(app: AppTest) -> list[dict[str, Any]]:
    """What the panels are told of answers that are under way."""
    [element] = [element for element in app.get("bidi_component") if "solving" in element.proto.component_name]
    return list(json.loads(element.proto.json)["jobs"].values())


def shown(data: dict[str, Any], rho: float) -> dict[str, Any]:
    """What a panel shows at one value of ρ."""
    cell: dict[str, Any] = data["cells"][data["at"][RHO_GRID.index(rho)]]
    return cell


def texts(app: AppTest) -> str:
    return " ".join(element.value for kind in (app.markdown, app.caption, app.error, app.info) for element in kind)
