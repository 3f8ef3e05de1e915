"""The Library page as people use it: weights come in, are found, looked at, and opened in Explore."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect
from safetensors.torch import save

from explain_core.models.architectures import ARCHITECTURES, Shape, build
from tests.browser.conftest import LOOKS
from tests.browser.test_in_chromium import serious

pytestmark = pytest.mark.browser
Look = Callable[..., Page]


def weights() -> bytes:
    """A tiny network that takes pictures of any size."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return save(build("fcnn", {"width": 2}, Shape(1, (32, 32), 2)).state_dict())


def chosen(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option).click()


def imported(page: Page, name: str) -> None:
    """Fills the form and waits until the model is registered."""
    page.get_by_role("radio", name="Import weights").click()
    page.locator("input[type=file]").set_input_files(
        files=[{"name": "tiny.safetensors", "mimeType": "application/octet-stream", "buffer": weights()}]
    )
    expect(page.get_by_text("tiny.safetensors")).to_be_visible()
    chosen(page, "Network", "fcnn")
    expect(page.get_by_text(ARCHITECTURES["fcnn"].summary)).to_be_visible()
    chosen(page, "Colours", "grey")
    filled(page, {"Name": name, "Classes": "normal, lesion", "width": "2"})
    page.get_by_text("Any size").click()
    expect(page.get_by_label("Picture height")).to_be_disabled()
    shot(page, "import")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("from now on: see Models")).to_be_visible()
    page.get_by_role("radio", name="Models").click()
    expect(page.get_by_text(f"registry/{name}@1", exact=True)).to_be_visible()


def filled(page: Page, texts: dict[str, str]) -> None:
    for label, text in texts.items():
        box = page.get_by_label(label, exact=True)
        expect(box).to_have_count(1)  # what stood there before is gone
        box.fill(text)
        box.press("Enter")


def shot(page: Page, name: str) -> None:
    if folder := os.environ.get("RHOSCOPE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"library-{name}.png")


def test_weights_are_imported_found_and_opened_in_explore(look: Look) -> None:
    page = look("library")
    imported(page, "tiny")
    expect(page.get_by_text("There is no recipe")).to_be_visible()
    expect(page.get_by_text("fcnn (width 2, activation relu)")).to_be_visible()
    page.get_by_role("button", name="Open in Explore").click()
    expect(page.get_by_text("1 says:")).to_be_visible()
    page.wait_for_url("**model=registry*tiny*1**")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_it_is_legible_and_fits(look: Look, scheme: str, width: int) -> None:
    page = look("library", width=width, scheme=scheme, height=1200)
    found = page.get_by_role("button", name="Open in Explore")
    expect(page.get_by_text("No model is registered yet").or_(found)).to_be_visible()
    if not found.is_visible():
        imported(page, "seen")
    for view, seen in (
        ("Models", "Open in Explore"),
        ("Import weights", "in the safetensors format"),
        ("Data sets", "Keep a data set as it is"),
        ("Backup", "Back up now"),
    ):
        page.get_by_role("radio", name=view).click()
        expect(page.get_by_text(seen).first).to_be_visible()
        if view == "Data sets" and page.get_by_text("No data set is kept yet").is_visible():
            kept(page)
        page.wait_for_timeout(500)
        shot(page, f"{view.split()[0].lower()}-{scheme}-{width}")
        assert serious(page) == []
        wide = page.evaluate(
            "document.querySelector('.stMain').scrollWidth - document.querySelector('.stMain').clientWidth"
        )
        assert wide <= 0


def kept(page: Page) -> None:
    filled(page, {"Name": "drawn", "Data": "phantom:12,0"})
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("is kept.")).to_be_visible()
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("nothing has changed")).to_be_visible()
