"""Every kind of knob as a widget, and faults beside the widget they concern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from explain_core.errors import ParamError
from explain_core.params import Choice, Params, Pattern, Range
from explain_core.params import knobs as knobs_of
from pages.parts import knobs


@dataclass(frozen=True)
class Everything(Params):
    steps: Annotated[int, Range(5, 500, 5), "Steps."] = 35
    rate: Annotated[float, Range(1e-5, 1.0, log=True), "Rate."] = 0.01
    weight: Annotated[float | None, Range(0, 10), "Weight."] = None
    rule: Annotated[str, Choice(("fast", "exact")), "Rule."] = "fast"
    layers: Annotated[str, Pattern(r"auto|\d+-\d+", "'auto' or '4-9'"), "Layers."] = "auto"
    guided: Annotated[bool, "Guided."] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rule == "exact" and self.guided:
            raise ParamError("guided = True: the exact rule cannot be guided.")


def script() -> None:
    import streamlit as st

    from pages.parts import knobs
    from tests.pages.test_knobs import Everything

    st.button("Defaults", key="reset", on_click=knobs.reset, args=(Everything, "k"))
    found = knobs.ask(Everything, "k")
    st.text(str(found.as_dict()) if found else "none")


def opened() -> AppTest:
    app = AppTest.from_function(script, default_timeout=60).run()
    assert not app.exception
    return app


DEFAULTS = {"steps": 35, "rate": 0.01, "weight": None, "rule": "fast", "layers": "auto", "guided": False}


def test_untouched_widgets_give_the_defaults() -> None:
    assert opened().text[0].value == str(DEFAULTS)


def test_every_widget_reaches_its_parameter_and_goes_back() -> None:
    app = opened()
    app.number_input(key="k.steps").set_value(50)
    app.number_input(key="k.rate").set_value(0.00002)
    app.checkbox(key="k.weight.auto").set_value(False).run()
    app.number_input(key="k.weight").set_value(2.5)
    app.selectbox(key="k.rule").set_value("exact")
    app.text_input(key="k.layers").set_value("3-5").run()
    wanted = {"steps": 50, "rate": 2e-05, "weight": 2.5, "rule": "exact", "layers": "3-5", "guided": False}
    assert app.text[0].value == str(wanted)
    app.button(key="reset").click().run()
    assert app.text[0].value == str(DEFAULTS)


def test_a_fault_is_said_beside_its_widget_and_gives_nothing() -> None:
    app = opened()
    app.text_input(key="k.layers").set_value("all").run()
    assert [error.value for error in app.error] == ["layers = 'all': it must be 'auto' or '4-9'."]
    assert app.text[0].value == "none"


def test_parameters_that_do_not_go_together_are_said() -> None:
    app = opened()
    app.selectbox(key="k.rule").set_value("exact")
    app.toggle(key="k.guided").set_value(True).run()
    assert [error.value for error in app.error] == ["guided = True: the exact rule cannot be guided."]
    assert app.text[0].value == "none"


def test_limits_reach_the_widgets() -> None:
    steps = opened().number_input(key="k.steps")
    assert (steps.min, steps.max, steps.step) == (5, 500, 5)
    assert "Steps. 5 to 500." in steps.help


@given(
    st.dictionaries(
        st.sampled_from(["k.steps", "k.rate", "k.weight", "k.rule", "k.layers", "k.guided", "j.steps"]), st.text()
    )
)
def test_whatever_an_address_says_only_values_of_a_knob_reach_its_widget(texts: dict[str, str]) -> None:
    state: dict[str, Any] = {}
    with patch.object(knobs.st, "session_state", state):
        knobs.put(Everything, "k", texts)
    for key, value in state.items():
        if key != "k.weight.auto":
            [knob] = [knob for knob in knobs_of(Everything) if key == f"k.{knob.name}"]
            assert knob.fault(value) is None


def test_what_differs_from_the_defaults_is_read_back() -> None:
    wanted: dict[str, Any] = {"steps": 50, "rate": 2e-05, "weight": 2.5, "rule": "exact", "layers": "3-5"}
    state: dict[str, Any] = {}
    with patch.object(knobs.st, "session_state", state):
        knobs.put(Everything, "k", knobs.differing(Everything(**wanted), "k"))
    assert state == {"k.weight.auto": False} | {f"k.{name}": value for name, value in wanted.items()}
    assert knobs.differing(Everything(), "k") == {}
