"""What the commands about labels share: their options, and how they tell what they found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from annotations.database import Database

Db = Annotated[str | None, typer.Option("--db", metavar="URL", help="The database. Default: RHOSCOPE_DB, or SQLite.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
CampaignOption = Annotated[str, typer.Option("--campaign", metavar="NAME", help="The campaign.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who does this.")]
CampaignName = Annotated[str, typer.Argument(metavar="NAME", help="The campaign.")]


def opened(url: str | None) -> Database:
    """The database of an option; raises StoreError."""
    from annotations.database import open_database

    return open_database(url)


def plain(value: Any) -> Any:
    """As JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(each) for name, each in vars(value).items()}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def tell(values: Mapping[str, Any], as_json: bool) -> None:
    """A line for each value."""
    if as_json:
        typer.echo(json.dumps(plain(values)))
        return
    for name, value in plain(values).items():
        typer.echo(f"{name}: {value}")


def tell_rows(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """A line for each row, without what has parts itself."""
    if as_json:
        typer.echo(json.dumps(plain(rows)))
        return
    for row in rows:
        typer.echo("  ".join(str(value) for value in plain(row).values() if not isinstance(value, dict)))
