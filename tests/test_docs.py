"""The documentation is under test: a row, a command or an option without its line in the docs fails."""

from __future__ import annotations

import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import typer.core
import typer.main
from PIL import Image

from cli import shell
from explain_core.evaluation.result import read_results
from explain_core.methods import METHODS
from explain_core.metrics import METRICS
from explain_core.models.architectures import ARCHITECTURES
from explain_core.models.zoo import FORMS
from explain_core.protocols import PROTOCOLS
from tests.test_architecture import SOURCES


def commands(group: typer.core.TyperGroup, above: str = "") -> Iterator[tuple[str, typer.core.TyperCommand]]:
    """Every command by its whole name, also those of groups."""
    for command in group.commands.values():
        name = f"{above}{command.name}"
        if isinstance(command, typer.core.TyperGroup):
            yield from commands(command, f"{name} ")
        else:
            yield name, cast(typer.core.TyperCommand, command)


ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(path.relative_to(ROOT) for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
RESULTS = sorted((ROOT / "docs" / "results").glob("*.json"))
COMMANDS = dict(commands(typer.main.get_group(shell)))


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_its_line(name: str) -> None:
    assert f"`{name}`" in text("docs/methods.md")


@pytest.mark.parametrize("name", list(METRICS))
def test_a_metric_has_its_line(name: str) -> None:
    assert f"| `{name}`" in text("docs/metrics.md")


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_a_protocol_has_its_line(name: str) -> None:
    assert f"| `{name}`" in text("docs/benchmarks.md")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_has_its_line(name: str) -> None:
    assert f"| `{name}`" in text("docs/models.md")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_its_options_have_their_lines(name: str) -> None:
    page = text("docs/cli.md")
    assert f"rhoscope {name}" in page
    options = [option for parameter in COMMANDS[name].params for option in parameter.opts if option.startswith("--")]
    assert [option for option in options if f"`{option}" not in page and option != "--help"] == []


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_model_has_its_line(form: str) -> None:
    assert f"`{form}`" in text("docs/cli.md")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", (ROOT / page).read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (ROOT / page.parent / link).exists()] == []


def test_the_readme_opens_with_a_real_screenshot() -> None:
    first = text("README.md").splitlines()[:4]
    (link,) = (found[1] for line in first if (found := re.search(r"!\[[^\]]+\]\((.+?)\)", line)))
    with Image.open(ROOT / link) as picture:
        assert picture.width >= 900


@pytest.mark.parametrize("path", [path for path in SOURCES if path.parts[0] == "explain_core"], ids=str)
def test_examples_in_docstrings_run(path: Path) -> None:
    if ">>>" in text(str(path)):
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_what_the_benchmarks_page_offers_can_be_read() -> None:
    """Other figures lie in a folder below."""
    assert all(read_results(path) for path in RESULTS)
