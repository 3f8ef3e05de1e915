"""`rhoscope labels …`: campaigns, answers and what becomes of them.  Nothing here needs torch.

The store is imported where it is used, so that `rhoscope --help` is quick.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from explain_core.errors import InputError, OutputError

if TYPE_CHECKING:
    from annotations.database import Database
    from annotations.queue import Queue, Task

Db = Annotated[str | None, typer.Option("--db", metavar="URL", help="The database. Default: RHOSCOPE_DB, or SQLite.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
CampaignOption = Annotated[str, typer.Option("--campaign", metavar="NAME", help="The campaign.")]
Rater = Annotated[str, typer.Option("--rater", metavar="NAME", help="Who answers.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who does this.")]
CampaignName = Annotated[str, typer.Argument(metavar="NAME", help="The campaign.")]

shell = typer.Typer(name="labels", help="Campaigns, answers, agreement, and the audit log.", no_args_is_help=True)


@shell.command()
def person(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Somebody new, or known.")] = None,
    role: Annotated[str | None, typer.Option(help="admin, researcher, annotator or clinician.")] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Whether they may act.")] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="An admin; nobody for the first.")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Add a person, change one, or list all.  The first person is an admin."""
    from annotations.people import People

    people = People(_opened(db))
    known = {one.name for one in people.find()}
    if name is None:
        _rows([asdict(one) for one in people.find()], as_json)
    elif name in known:
        _tell(asdict(people.change(name, role=role, active=active, by=by or "")), as_json)
    else:
        _tell(asdict(people.add(name, role or "annotator", by=by)), as_json)


@shell.command()
def campaign(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The campaign. Default: list all.")] = None,
    bundle: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="Open a new one about this bundle's items.")
    ] = None,
    overlap: Annotated[int, typer.Option(help="So many people answer each item.")] = 2,
    most: Annotated[int, typer.Option(help="So many where they disagree.")] = 3,
    lease_s: Annotated[int, typer.Option("--lease", metavar="SECONDS", help="How long an item is kept for one.")] = 600,
    closed: Annotated[bool | None, typer.Option("--close/--open", help="Close it, or open it again.")] = None,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who organises.")] = "",
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Open a campaign, close one, or show what there is."""
    from annotations.bundle import read_bundle
    from annotations.campaigns import CLOSED, OPEN, Campaigns, Plan

    campaigns = Campaigns(_opened(db))
    if name is None:
        _rows([_plain(one) for one in campaigns.find()], as_json)
        return
    if bundle is not None:
        found = campaigns.create(name, read_bundle(bundle), by=by, plan=Plan(overlap, most, lease_s))
    elif closed is not None:
        found = campaigns.set_state(name, CLOSED if closed else OPEN, by=by)
    else:
        found = campaigns.get(name)
    _tell(_plain(found), as_json)


@shell.command("next")
def next_(campaign: CampaignOption, rater: Rater, db: Db = None, as_json: AsJson = False) -> None:
    """The item that this rater has in hand, or the next one; nothing and exit code 0 when none is left."""
    task = _queue(db).next(campaign, rater)
    if task is not None:
        _tell(_task(task), as_json)
    elif as_json:
        typer.echo("null")


@shell.command()
def answer(
    token: Annotated[str, typer.Option(metavar="T", help="From `next`.")],
    answer: Annotated[str, typer.Option(help="unchanged, unsure or changed, or as the question has it.")],
    key: Annotated[str, typer.Option(metavar="K", help="Any text, new for each answer; the same again is kept once.")],
    note: Annotated[str, typer.Option(help="A remark.")] = "",
    flag: Annotated[bool, typer.Option("--flag", help="Somebody should look at this item.")] = False,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Keep an answer."""
    _tell(_plain(_queue(db).answer(token, answer, key, note=note, flagged=flag)), as_json)


@shell.command()
def skip(
    token: Annotated[str, typer.Option(metavar="T", help="From `next`.")],
    note: Annotated[str, typer.Option(help="Why.")] = "",
    db: Db = None,
) -> None:
    """Put an item off; it comes again when nothing else is left."""
    _queue(db).skip(token, note)


@shell.command()
def undo(campaign: CampaignOption, rater: Rater, db: Db = None, as_json: AsJson = False) -> None:
    """Take the rater's own last answer back; tells the item and the answer that was."""
    _tell(_task(_queue(db).undo(campaign, rater)), as_json)


@shell.command()
def agreement(name: CampaignName, db: Db = None, as_json: AsJson = False) -> None:
    """How far raters agree with each other, with themselves, and with known answers."""
    from annotations.campaigns import Campaigns
    from annotations.export import read_labels
    from annotations.quality import quality
    from annotations.questions import get_question

    store = _opened(db)
    found = quality(get_question(Campaigns(store).get(name).question), read_labels(store, name))
    if as_json:
        typer.echo(json.dumps(_plain(found)))
        return
    for statistic, outcome in found.agreement.items():
        shown = outcome.reason if outcome.value is None else f"{outcome.value:.3f}  {_span(outcome.low, outcome.high)}"
        typer.echo(f"{statistic}: {shown}")
    for title, shares in (("gold items", found.gold), ("own repeats", found.consistency)):
        for rater, share in shares.items():
            if share.value is not None:
                typer.echo(f"{rater}, {title}: {share.count} of {share.of}  {_span(share.low, share.high)}")
    typer.echo("answers: " + ", ".join(f"{count} {answer}" for answer, count in found.answers.items()))


@shell.command("export")
def export_(
    name: CampaignName,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: the screen.")] = None,
    form: Annotated[str, typer.Option(help="jsonl: the whole history; csv: the answers that count.")] = "jsonl",
    db: Db = None,
) -> None:
    """All labels of a campaign, as a file."""
    from annotations.export import export

    text = export(_opened(db), name, form)
    if out is None:
        typer.echo(text, nl=False)
    else:
        _write(out, text)


@shell.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="From `export`, or a table of item, rater, answer.")],
    campaign: CampaignOption,
    by: By,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Add the labels of a file: all of them, or none."""
    from annotations.importing import import_labels

    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise InputError(f"{file}: {why}; give a file of labels.") from None
    _tell(_plain(import_labels(_opened(db), campaign, text, by=by)), as_json)


@shell.command()
def verify(
    head: Annotated[str | None, typer.Option(metavar="HASH", help="A head that was noted earlier.")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Check the audit log and every label against it; prints the head, to be noted elsewhere."""
    from annotations import audit

    _tell(_plain(audit.verify(_opened(db), head)), as_json)


def _opened(url: str | None) -> Database:
    from annotations.database import open_database

    return open_database(url)


def _queue(url: str | None) -> Queue:
    from annotations.queue import Queue

    return Queue(_opened(url))


def _task(task: Task) -> dict[str, Any]:
    pictures = {name: str(path) for name, path in task.pictures.items()}
    told = {"item": task.item, "token": task.token, **pictures, "class": task.class_name}
    return told if task.earlier is None else {**told, "earlier": task.earlier}


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(each) for name, each in vars(value).items()}
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def _tell(values: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_plain(values)))
        return
    for name, value in _plain(values).items():
        typer.echo(f"{name}: {value}")


def _rows(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_plain(rows)))
        return
    for row in rows:
        typer.echo("  ".join(str(value) for value in _plain(row).values() if not isinstance(value, dict)))


def _span(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"(95 %: {low:.3f} – {high:.3f})"


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OutputError(f"Cannot write {path}: {error.strerror}; give a place that you may write to.") from None
