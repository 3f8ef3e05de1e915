"""What is solved by itself, what on request, and what is seen meanwhile."""

from __future__ import annotations

import json

import numpy as np
from streamlit.testing.v1 import AppTest

from explain_core.path import RHO_GRID
from tests.pages.fake_engine import FakeEngine, Opened
from tests.pages.reading import components, shown, solving, texts


def asked(engine: FakeEngine, method: str) -> list[float | None]:
    return [job.rho for job in engine.jobs if job.method == method]


def test_a_long_path_waits_until_it_is_asked_for(opened: Opened, engine: FakeEngine) -> None:
    engine.seconds = 1.0  # 1/12 s a pass: 9 minutes for the rest of APE's path, 33 s for that of g_explain+
    app = opened()
    assert asked(engine, "ape") == asked(engine, "perceptual-ball") == [0.05]
    assert len(asked(engine, "explain-plus")) == len(RHO_GRID)
    assert shown(components(app)[2], 0.05)["over"]
    assert shown(components(app)[2], 0.1)["note"] == "Not solved at this ρ yet."
    assert app.menu_button(key="whole-path").options == [
        "Perceptual ball: 11 values of ρ, about 93 s",
        "APE: 11 values of ρ, about 9 min",
    ]


def curves(app: AppTest) -> list[str]:
    """What the lines of the lowest figure are called."""
    return [line.get("name", "") for line in json.loads(app.get("plotly_chart")[-1].proto.spec)["data"]]


def test_one_method_in_two_columns(opened: Opened, engine: FakeEngine) -> None:
    engine.seconds = 1.0
    app = opened(method1="ape")
    assert not app.exception
    assert app.menu_button(key="whole-path").options == [
        "APE, column 2: 11 values of ρ, about 9 min",
        "APE, column 3: 11 values of ρ, about 9 min",
    ]
    assert {"APE, column 2", "APE, column 3"} <= set(curves(app))


def test_a_long_path_is_solved_where_the_slider_rests(opened: Opened, engine: FakeEngine) -> None:
    engine.seconds = 1.0
    app = opened()
    app.session_state["rho"] = 0.1
    app.run()
    assert asked(engine, "ape") == [0.05, 0.1]
    assert shown(components(app)[2], 0.1)["over"]
    assert shown(components(app)[2], 0.05)["over"], "what was solved stays"


def test_what_the_slider_passed_by_is_not_solved(opened: Opened, engine: FakeEngine) -> None:
    engine.seconds, engine.at_once = 1.0, False
    app = opened()
    engine.finish("gradcam")
    app.run()
    app.session_state["rho"] = 0.1
    app.run()
    states = {ticket.job.rho: ticket.state for ticket in engine.tickets if ticket.job.method == "ape"}
    assert states == {0.05: "cancelled", 0.1: "waiting"}


def test_a_long_path_is_solved_on_request(opened: Opened, engine: FakeEngine) -> None:
    engine.seconds = 1.0
    app = opened()
    app.menu_button(key="whole-path").click_index(1).run()
    assert len(asked(engine, "ape")) == len(RHO_GRID)
    assert asked(engine, "perceptual-ball") == [0.05]
    assert app.menu_button(key="whole-path").options == ["Perceptual ball: 11 values of ρ, about 93 s"]


def test_a_change_with_gaps_in_its_path_is_not_said_to_be_the_smallest(opened: Opened, engine: FakeEngine) -> None:
    engine.seconds = 1.0
    assert "APE: has changed at ρ = 0.05; smaller values are not all solved" in texts(opened())


def test_what_is_being_solved_is_shown_as_a_preview(opened: Opened, engine: FakeEngine) -> None:
    engine.at_once = False
    app = opened()
    assert [one["note"] for one in solving(app)] == ["Solving …"] * 4
    engine.finish("gradcam")
    app.run()
    ape = next(ticket for ticket in engine.tickets if ticket.job.method == "ape")
    ape.progress, ape.drawn = 0.25, np.clip(ape.pixels + 0.1, 0, 1)
    app.run()
    _, told, _ = solving(app)
    assert told["note"] == "Preview: 25%, about 2 s left"
    assert told["source"].startswith("data:image/png;base64,")
    assert told["alt"] == "APE, unfinished: 25%, about 2 s left"
