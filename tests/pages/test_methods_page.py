"""The Methods page."""

from __future__ import annotations

from explain_core.methods import METHODS
from pages.parts.choices import cost_of
from tests.pages.fake_engine import FakeEngine, Opened
from tests.pages.reading import texts


def test_the_methods_page_lists_every_row(opened: Opened) -> None:
    app = opened()
    app.switch_page("pages/methods.py").run()
    assert not app.exception
    assert [heading.value for heading in app.subheader] == [method.title for method in METHODS.values()]
    contents = next(text.value for text in app.markdown if text.value.startswith("| Method"))
    assert "[APE](#ape) | The few, compact pixels" in contents
    assert "| Works there |" in contents


def test_the_methods_page_is_searched_and_ordered(opened: Opened, engine: FakeEngine) -> None:
    engine.cannot = {"gradcam": "This network has no convolutional layer."}
    app = opened()
    app.switch_page("pages/methods.py").run()
    app.text_input(key="search").set_value("grad-cam selvaraju").run()
    titles = [heading.value for heading in app.subheader]
    assert {"Grad-CAM", "Guided Grad-CAM"} <= set(titles) < {method.title for method in METHODS.values()}
    assert "**Not with demo** This network has no convolutional layer." in texts(app)
    app.text_input(key="search").set_value("").run()
    app.segmented_control(key="order").set_value("cost").run()
    by_title = {method.title: cost_of(method) for method in METHODS.values()}
    costs = [by_title[heading.value] for heading in app.subheader]
    assert costs == sorted(costs)
    app.text_input(key="search").set_value("<b>*no such*").run()
    assert not app.exception
    assert "No method has all of" in app.info[0].value
