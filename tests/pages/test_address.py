"""The page's state in its address, there and back."""

from __future__ import annotations

import pytest

from explain_core.methods import METHODS
from tests.pages.fake_engine import FakeEngine, Opened
from tests.pages.reading import components

DEFAULTS = ("gradcam", "perceptual-ball", "ape", "explain-plus")


def test_the_address_holds_the_question_and_no_name(opened: Opened) -> None:
    app = opened()
    assert dict(app.query_params) == {}
    app.selectbox(key="method0").set_value("explain-minus").run()
    app.selectbox(key="phantom").set_value(1).run()
    app.selectbox(key="target").set_value("2").run()
    assert dict(app.query_params) == {"method0": "explain-minus", "phantom": "1", "target": "2"}


def test_an_address_opens_the_same_question(opened: Opened, engine: FakeEngine) -> None:
    opened(method0="explain-minus", target="2", rho="0.1", model="demo-shortcut")
    assert {job.method for job in engine.jobs} == {"explain-minus", *DEFAULTS[1:]}
    assert {(job.target, job.model) for job in engine.jobs} == {(2, "demo-shortcut")}


@pytest.mark.parametrize(
    "address",
    [{"method0": "../../etc"}, {"phantom": "-7"}, {"phantom": "x"}, {"target": "99"}, {"rho": "nan"}, {"rho": "-1"},
     {"view": "x"}, {"scale": "x"}, {"compare": "x"}, {"source": "x"}, {"rho": "1e999"}],
)  # fmt: skip
def test_a_broken_address_falls_back(opened: Opened, address: dict[str, str]) -> None:
    assert len(components(opened(**address))) == 4


def test_opacity_and_settings_stand_in_the_address(opened: Opened, engine: FakeEngine) -> None:
    app = opened(opacity="3")
    app.number_input(key="1.perceptual-ball.steps").set_value(50).run()
    app.toggle(key="2.ape.unbounded").set_value(True).run()
    app.selectbox(key="view3").set_value("difference").run()
    wanted = {"1.perceptual-ball.steps": "50", "2.ape.unbounded": "1", "view3": "difference", "opacity": "3"}
    assert dict(app.query_params) == wanted
    engine.tickets.clear()
    again = opened(**wanted)
    assert dict(again.query_params) == wanted
    assert {job.params.as_dict()["steps"] for job in engine.jobs if job.method == "perceptual-ball"} == {50}
    assert [job.rho for job in engine.jobs if job.method == "ape"] == [None]
    again.button(key="1.perceptual-ball.reset").click().run()
    assert "1.perceptual-ball.steps" not in again.query_params


def test_settings_survive_another_page(opened: Opened, engine: FakeEngine) -> None:
    app = opened(**{"1.perceptual-ball.steps": "50"})
    app.switch_page("pages/methods.py").run()
    app.switch_page("pages/explore.py").run()
    assert not app.exception
    assert app.number_input(key="1.perceptual-ball.steps").value == 50


def test_a_broken_setting_in_the_address_falls_back(opened: Opened, engine: FakeEngine) -> None:
    app = opened(**{"1.perceptual-ball.steps": "-3", "2.ape.steps": "x" * 500, "3.explain-plus.nothing": "1",
                    "9.ape.steps": "50", "1.ape.steps": "50", "opacity": "11", "2.ape.unbounded": "yes"})  # fmt: skip
    assert {job.params for job in engine.jobs} == {METHODS[name].params() for name in DEFAULTS}
    assert dict(app.query_params) == {}
    assert not app.error
