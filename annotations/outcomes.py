"""`rhoscope labels …`: what becomes of the answers.  Nothing here needs torch, and the store is imported where used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from annotations.telling import AsJson, By, CampaignName, CampaignOption, Db, opened, plain, tell
from explain_core.errors import InputError

shell = typer.Typer()


@shell.command()
def agreement(name: CampaignName, db: Db = None, as_json: AsJson = False) -> None:
    """How far raters agree with each other, with themselves, and with known answers."""
    from annotations.campaigns import Campaigns
    from annotations.export import read_labels
    from annotations.quality import quality
    from annotations.questions import get_question

    store = opened(db)
    found = quality(get_question(Campaigns(store).get(name).question), read_labels(store, name))
    if as_json:
        typer.echo(json.dumps(plain(found)))
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
    out: Annotated[Path | None, typer.Option(metavar="PATH", help="Default: the screen.")] = None,
    form: Annotated[
        str,
        typer.Option(help="jsonl: the whole history; csv: the answers that count; coco: ellipses; folder: pictures."),
    ] = "jsonl",
    db: Db = None,
) -> None:
    """A campaign as a file; or its accepted pictures as a folder to train on."""
    from annotations.export import FOLDER, export
    from annotations.files import write
    from annotations.folder import export_folder

    if form == FOLDER:
        if out is None:
            raise InputError("The form folder is no text: name a new folder with --out.")
        typer.echo(f"{export_folder(opened(db), name, out)} pictures in {out}")
    elif out is None:
        typer.echo(export(opened(db), name, form), nl=False)
    else:
        write(out, export(opened(db), name, form).encode())


@shell.command()
def adjudicate(
    campaign: CampaignOption,
    item: Annotated[str, typer.Option(metavar="NAME", help="An item that was asked.")],
    by: By,
    answer: Annotated[str | None, typer.Option(help="What holds of it, whatever was answered.")] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the decision that stands back.")] = False,
    note: Annotated[str, typer.Option(help="Why.")] = "",
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Decide about an item on which people disagree; the decision goes before their answers."""
    from annotations.adjudication import Adjudications

    if (answer is None) != withdraw:
        raise InputError("Give --answer, or --withdraw to take a decision back: one of the two.")
    tell(plain(Adjudications(opened(db)).decide(campaign, item, answer, by=by, note=note)), as_json)


@shell.command()
def settled(
    name: CampaignName,
    rule: Annotated[str, typer.Option(help="majority, unanimous or weighted (by gold items).")] = "majority",
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """What the answers about each item come to; a decision goes before them."""
    from annotations.settling import settle

    found = settle(opened(db), name, rule)
    if as_json:
        typer.echo(json.dumps(plain(found)))
        return
    for one in found:
        typer.echo(f"{one.item}  {one.class_name}  {one.answer}{'  (decided)' if one.decided else ''}")


@shell.command()
def propose(name: CampaignName, db: Db = None, as_json: AsJson = False) -> None:
    """How many labels are new since the last retraining, and what all of them come to by majority."""
    from annotations.retraining import Retrainings

    tell(plain(Retrainings(opened(db)).propose(name)), as_json)


def _span(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"(95 %: {low:.3f} – {high:.3f})"
