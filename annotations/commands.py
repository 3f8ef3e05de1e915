"""`rhoscope labels …`: campaigns, answers and what becomes of them.  Nothing here needs torch.

The store is imported where it is used, so that `rhoscope --help` is quick.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from annotations import outcomes
from annotations.telling import AsJson, By, CampaignOption, Db, opened, plain, tell, tell_rows
from explain_core.errors import InputError

if TYPE_CHECKING:
    from annotations.queue import Queue, Task

Rater = Annotated[str, typer.Option("--rater", metavar="NAME", help="Who answers.")]

shell = typer.Typer(name="labels", help="Campaigns, answers, agreement, and the audit log.", no_args_is_help=True)
shell.add_typer(outcomes.shell)


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

    people = People(opened(db))
    known = {one.name for one in people.find()}
    if name is None:
        tell_rows([asdict(one) for one in people.find()], as_json)
    elif name in known:
        tell(asdict(people.change(name, role=role, active=active, by=by or "")), as_json)
    else:
        tell(asdict(people.add(name, role or "annotator", by=by)), as_json)


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

    campaigns = Campaigns(opened(db))
    if name is None:
        tell_rows([plain(one) for one in campaigns.find()], as_json)
        return
    if bundle is not None:
        found = campaigns.create(name, read_bundle(bundle), by=by, plan=Plan(overlap, most, lease_s))
    elif closed is not None:
        found = campaigns.set_state(name, CLOSED if closed else OPEN, by=by)
    else:
        found = campaigns.get(name)
    tell(plain(found), as_json)


@shell.command("next")
def next_(campaign: CampaignOption, rater: Rater, db: Db = None, as_json: AsJson = False) -> None:
    """The item that this rater has in hand, or the next one; nothing and exit code 0 when none is left."""
    task = _queue(db).next(campaign, rater)
    if task is not None:
        tell(_task(task), as_json)
    elif as_json:
        typer.echo("null")


@shell.command()
def answer(
    token: Annotated[str, typer.Option(metavar="T", help="From `next`.")],
    answer: Annotated[str, typer.Option(help="unchanged, unsure or changed, or as the question has it.")],
    key: Annotated[str, typer.Option(metavar="K", help="Any text, new for each answer; the same again is kept once.")],
    note: Annotated[str, typer.Option(help="A remark.")] = "",
    flag: Annotated[bool, typer.Option("--flag", help="Somebody should look at this item.")] = False,
    ellipse: Annotated[
        str, typer.Option(metavar="CX,CY,RX,RY,ANGLE", help="Where the question lets raters draw; docs/labels.md.")
    ] = "",
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Keep an answer."""
    from annotations.shapes import ellipse_from

    shapes = ellipse_from(ellipse.split(",")) if ellipse else {}
    tell(plain(_queue(db).answer(token, answer, key, note=note, flagged=flag, shapes=shapes)), as_json)


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
    tell(_task(_queue(db).undo(campaign, rater)), as_json)


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
    tell(plain(import_labels(opened(db), campaign, text, by=by)), as_json)


@shell.command()
def verify(
    head: Annotated[str | None, typer.Option(metavar="HASH", help="A head that was noted earlier.")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Check the audit log and every label against it; prints the head, to be noted elsewhere."""
    from annotations import audit

    tell(plain(audit.verify(opened(db), head)), as_json)


def _queue(url: str | None) -> Queue:
    from annotations.queue import Queue

    return Queue(opened(url))


def _task(task: Task) -> dict[str, Any]:
    pictures = {name: str(path) for name, path in task.pictures.items()}
    told = {"item": task.item, "token": task.token, **pictures, "class": task.class_name}
    return told if task.earlier is None else {**told, "earlier": task.earlier}
