"""`rhoscope study …`: a whole study from scripts, but for what `build` computes.  Nothing here needs torch."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from annotations.telling import AsJson, By, Db, opened, plain, tell, tell_rows
from explain_core.errors import InputError

if TYPE_CHECKING:
    from annotations.reading.places import Task
    from annotations.reading.reads import Reads
    from annotations.reading.studies import Studies, Study

shell = typer.Typer(
    name="study", help="Reader studies: cases, readers, locked reads, what comes out.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(metavar="STUDY", help="The study.")]
StudyOption = Annotated[str, typer.Option("--study", metavar="NAME", help="The study.")]
Reader = Annotated[str, typer.Option("--reader", metavar="NAME", help="Who reads.")]
Position = Annotated[int, typer.Option(min=1, metavar="N", help="The case, by its number in the reader's worklist.")]
Key = Annotated[
    str | None, typer.Option(metavar="K", help="Any text, new for each request; the same again is done once.")
]
Answers = Annotated[Path, typer.Option("--answers", metavar="FILE", help="Answers as JSON; docs/studies.md tells.")]
Active = Annotated[int, typer.Option("--active-ms", min=0, help="Time at it since the last save, in milliseconds.")]
Hidden = Annotated[int, typer.Option("--hidden-ms", min=0, help="Time out of sight since then.")]


@shell.command()
def create(
    name: Name,
    bundle: Annotated[Path, typer.Option("--from", metavar="DIR", help="What `rhoscope study build` wrote.")],
    by: By,
    reader: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Who reads; may be repeated.")] = None,
    lexicon: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The site's coded fields. Default: Rhoscope's.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the orders and the letters of methods.")] = 0,
    washout: Annotated[float, typer.Option(metavar="DAYS", help="Between a reader's sessions.")] = 28,
    idle: Annotated[float, typer.Option(metavar="MINUTES", help="How long a read may be left alone.")] = 15,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Set a study up, as a draft; nothing of it is changed afterwards."""
    from annotations.reading.bundle import read_study
    from annotations.reading.lexicon import read_lexicon
    from annotations.reading.studies import DAY, Plan, Studies

    plan = Plan(seed, round(washout * DAY), round(idle * 60))
    made = Studies(opened(db)).create(
        name, read_study(bundle), by=by, plan=plan, lexicon=read_lexicon(lexicon), readers=reader or ()
    )
    _tell(made, as_json)


@shell.command("open")
def open_(
    name: Name,
    by: By,
    without_blocked: Annotated[
        bool, typer.Option("--without-blocked", help="Go without the cases of which an explanation failed.")
    ] = False,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Open a study, once every explanation is the one whose hash was locked."""
    _tell(_studies(db).set_state(name, "open", by=by, without_blocked=without_blocked), as_json)


@shell.command()
def close(name: Name, by: By, db: Db = None, as_json: AsJson = False) -> None:
    """Close a study: nothing is read or amended until it is opened again."""
    _tell(_studies(db).set_state(name, "closed", by=by), as_json)


@shell.command("reader")
def add_reader(
    name: Name,
    person: Annotated[str, typer.Argument(metavar="NAME", help="Somebody who may answer.")],
    by: By,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Add a reader, with an order of their own."""
    _tell(_studies(db).add_reader(name, person, by=by), as_json)


@shell.command()
def status(
    name: Annotated[str | None, typer.Argument(metavar="STUDY", help="The study. Default: list all.")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """How a study stands: state, blocked cases, how far each reader is."""
    if name is not None:
        _tell(_studies(db).get(name), as_json)
        return
    tell_rows([{"name": one.name, "state": one.state, "title": one.title} for one in _studies(db).find()], as_json)


@shell.command()
def worklist(study: StudyOption, reader: Reader, db: Db = None, as_json: AsJson = False) -> None:
    """A reader's cases in order, and what is at hand."""
    tell_rows([asdict(entry) for entry in _reads(db).worklist(study, reader)], as_json)


@shell.command()
def read(study: StudyOption, reader: Reader, db: Db = None, as_json: AsJson = False) -> None:
    """The step at hand, with what may be seen of it; nothing and exit code 0 when all is read."""
    task = _reads(db).task(study, reader)
    if task is not None:
        tell(_task(task), as_json)
    elif as_json:
        typer.echo("null")


@shell.command()
def save(
    token: Annotated[str, typer.Option(metavar="T", help="From `read`.")],
    revision: Annotated[int, typer.Option(min=0, help="From `read`, or the last `save`.")],
    answers: Answers,
    key: Key = None,
    active_ms: Active = 0,
    hidden_ms: Hidden = 0,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Keep a draft; tells its next revision, and what is lacking."""
    kept = _reads(db).save(
        token, _json(answers), revision=revision, key=key or secrets.token_hex(8), active_ms=active_ms,
        hidden_ms=hidden_ms,
    )  # fmt: skip
    tell(plain(kept), as_json)


@shell.command()
def lock(
    token: Annotated[str, typer.Option(metavar="T", help="From `read`.")],
    revision: Annotated[int, typer.Option(min=0, help="From the last `save`.")],
    key: Key = None,
    active_ms: Active = 0,
    hidden_ms: Hidden = 0,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Sign the draft: from here on nothing changes it."""
    made = _reads(db).lock(
        token, revision=revision, key=key or secrets.token_hex(8), active_ms=active_ms, hidden_ms=hidden_ms
    )
    tell(plain(made), as_json)


@shell.command()
def amend(
    study: StudyOption,
    reader: Reader,
    position: Position,
    step: Annotated[str, typer.Option(metavar="unaided|final", help="Which of the two.")],
    answers: Answers,
    reason: Annotated[str, typer.Option(help="Why; kept with the new version.")],
    key: Key = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Add a version of a locked step, with a reason; the one before stays."""
    made = _reads(db).amend(
        study, reader, position, step, _json(answers), reason=reason, key=key or secrets.token_hex(8)
    )
    tell(plain(made), as_json)


@shell.command()
def locked(study: StudyOption, reader: Reader, db: Db = None, as_json: AsJson = False) -> None:
    """What a reader has locked, every version."""
    tell_rows([plain(one) for one in _reads(db).locked(study, reader)], as_json)


@shell.command()
def feedback(study: StudyOption, reader: Reader, position: Position, db: Db = None, as_json: AsJson = False) -> None:
    """What is true of a practice case that was read."""
    tell(plain(_reads(db).feedback(study, reader, position)), as_json)


@shell.command("export")
def export_(
    name: Name,
    table: Annotated[
        str, typer.Option(metavar="NAME", help="readings, findings, explanations or regions.")
    ] = "readings",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where it goes. Default: the terminal.")] = None,
    db: Db = None,
) -> None:
    """A study as a CSV table in long form, for an analysis of several readers and cases."""
    from annotations.files import write
    from annotations.reading.export import export

    text = export(opened(db), name, table)
    if out is None:
        typer.echo(text, nl=False)
        return
    write(out, text.encode())
    typer.echo(f"{out}  {max(0, text.count(chr(10)) - 1)} rows")


@shell.command("analyse")
def analyse_(
    name: Name,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples of the cases.")] = 2000,
    level: Annotated[float, typer.Option(help="Share of such intervals that cover the truth.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Of the resamples.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="All figures as JSON, with the curves.")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Areas under ROC curves, free-response figures and agreement, with bootstrap intervals over cases."""
    from annotations.agreement import Resampling
    from annotations.files import write
    from annotations.reading.analysis import analyse

    found = analyse(opened(db), name, Resampling(resamples, level, seed))
    text = json.dumps(found, indent=1)
    if out:
        write(out, text.encode())
    if as_json:
        typer.echo(text)
        return
    for row in found["auc"]:
        typer.echo(f"AUC  {row['arm']}  {row['step']}  {row['reader']}  {_share(row, 'auc')}  {row['cases']} reads")
    for row in found["differences"]:
        typer.echo(f"AUC  {row['what']} − {row['minus']}  {_share(row, 'auc')}")
    for one in found["froc"]:
        for row in one["mean"]:
            typer.echo(
                f"found  {one['arm']}  {one['step']}  at {row['false_per_film']} false a film  {_share(row, 'found')}"
            )
    for row in found["agreement"]:
        typer.echo(f"{row['statistic']}  {row['field']}  {row['arm']}  {row['step']}  {_share(row, 'value')}")


@shell.command("labels")
def labels_(
    name: Name,
    threshold: Annotated[float, typer.Option(metavar="SCORE", help="The suspicion from which a case is positive.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where reads.json goes.")],
    by: By,
    arm: Annotated[str, typer.Option(metavar="NAME", help="Whose reads; may be left out where there is one.")] = "",
    step: Annotated[str, typer.Option(metavar="unaided|final", help="Which of the two.")] = "final",
    rule: Annotated[
        str, typer.Option(metavar="majority|mean", help="How several reads become one label.")
    ] = "majority",
    least: Annotated[int, typer.Option(metavar="N", help="Readers that a case needs.")] = 2,
    classes: Annotated[str, typer.Option(metavar="NEGATIVE,POSITIVE", help="What the classes are called.")] = (
        "normal,lesion"
    ),
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Freeze what readers said as labels to train on; `rhoscope study pictures` makes a data set of them."""
    from annotations.reading.labels import Asked, freeze

    negative, _, positive = classes.partition(",")
    asked = Asked(threshold, arm, step, rule, least, (negative.strip(), positive.strip()))
    told = freeze(opened(db), name, asked, by=by, out=out)
    counts = [sum(film["label"] == label for case in told["cases"] for film in case["films"]) for label in (0, 1)]
    tell({**dict(zip(asked.classes, counts, strict=True)), **told["left_out"], "head": told["head"]}, as_json)


@shell.command()
def lexicon(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A site's own. Default: Rhoscope's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a file of coded fields; tells its hash and its fields."""
    from annotations.reading.lexicon import FILE, read_lexicon

    found = read_lexicon(file)
    if as_json:
        tell({**found.record(), "sha256": found.sha256}, as_json)
        return
    tell({"file": file or FILE, "name": found.name, "version": found.version, "sha256": found.sha256}, as_json)
    for field in found.fields:
        typer.echo(f"{field.name} ({field.about}): {', '.join(choice.words for choice in field.choices)}")


def _studies(url: str | None) -> Studies:
    from annotations.reading.studies import Studies

    return Studies(opened(url))


def _reads(url: str | None) -> Reads:
    from annotations.reading.reads import Reads

    return Reads(opened(url))


def _tell(study: Study, as_json: bool) -> None:
    tell(plain(study), as_json)


def _task(task: Task) -> dict[str, Any]:
    """What a reader may see, and which answers are lacking; the fields themselves are in `rhoscope study lexicon`."""
    told = {name: value for name, value in plain(task).items() if name != "form"}
    return {**told, "letters": list(task.form.letters), "lacking": task.form.lacking(task.answers)}


def _share(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        return f"none: {row.get('reason') or 'it needs cases with and without a lesion'}"
    return f"{row[name]:.3f}" + ("" if row["low"] is None else f" ({row['low']:.3f} to {row['high']:.3f})")


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{path} cannot be read as JSON: give a file of answers; docs/studies.md tells.") from None
    if not isinstance(values, dict):
        raise InputError(f"{path} holds no table of answers: docs/studies.md tells the form.")
    return values
