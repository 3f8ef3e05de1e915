"""What a person does on a page under AppTest."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def press(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception
    return page


def view(page: AppTest, name: str, of: str) -> AppTest:
    """Chooses a view of the page `of`."""
    page.session_state[f"{of}-view"] = name
    page.run()
    assert not page.exception
    return page
