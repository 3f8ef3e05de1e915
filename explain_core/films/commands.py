"""`rhoscope dicom …`: films into the workspace, what one file holds, what waits for a person."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from explain_core.errors import ParamError
from explain_core.terminal import check_writable, progress_bar

if TYPE_CHECKING:
    from explain_core.dicom.film import Facts
    from explain_core.films.importing import Fault, Imported
    from explain_core.films.record import Record

USER_FAULT, INTERRUPTED = 2, 130
shell = typer.Typer(name="dicom", help="Films from DICOM files: import them without their patients, look at one.")

Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Where films are kept. Default: the workspace's.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
Name = Annotated[str, typer.Argument(metavar="FILM", help="A film's name, as `rhoscope dicom list` tells it.")]


def films_folder() -> Path:
    """WORKSPACE/films."""
    from explain_core.models.registry import workspace

    return workspace() / "films"


@shell.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder with the studies, at any depth.")],
    out: Out = None,
    as_json: Json = False,
    names: Annotated[
        bool, typer.Option("--names", help="Name broken files; their names may hold a patient's.")
    ] = False,
) -> None:
    """Import DICOM films and plain pictures, rid of their patients; exit code 2 where a file was refused."""
    from explain_core.dicom.decode import Decoder
    from explain_core.dicom.secret import workspace_key
    from explain_core.films.importing import import_folder
    from explain_core.models.registry import workspace

    films = out or films_folder()
    check_writable(films)
    with progress_bar("import") as (show, say), Decoder() as decoder, first_interrupt() as asked_to_stop:

        def tell(fault: Fault, path: Path) -> None:
            say(f"file {fault.number}{f' ({path})' if names else ''}: {fault.text}")

        done = import_folder(
            folder, films, workspace_key(workspace()), decoder, on_progress=show, on_fault=tell, cancelled=asked_to_stop
        )
    typer.echo(json.dumps(done.as_dict(), ensure_ascii=False) if as_json else "\n".join(_report(done)))
    if done.cancelled or done.faults:
        raise typer.Exit(INTERRUPTED if done.cancelled else USER_FAULT)


@shell.command()
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A DICOM file.")],
    as_json: Json = False,
) -> None:
    """Say what a DICOM file holds, without its patient."""
    from explain_core.dicom.decode import Decoder
    from explain_core.dicom.film import facts_record

    with Decoder() as decoder:
        film = decoder.film(file)
    if as_json:
        told = {"size": film.size, "dtype": film.stored.dtype.name, "facts": facts_record(film.facts)}
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    low, high = int(film.stored.min()), int(film.stored.max())
    typer.echo(f"{film.size[1]} × {film.size[0]} pixels, {film.facts.bits} bits, stored values {low} to {high}")
    _tell(_lines(film.facts))


@shell.command("list")
def list_(out: Out = None, as_json: Json = False) -> None:
    """List exams and their films, and what waits for a person."""
    from explain_core.films.exams import exams
    from explain_core.films.record import records

    films = out or films_folder()
    kept, held = records(films), records(films, quarantined=True)
    if as_json:
        typer.echo(json.dumps([_row(film) for film in (*kept, *held)], ensure_ascii=False))
        return
    for exam in exams(kept):
        typer.echo(f"{exam.patient}  {exam.name}  {'; '.join(exam.notes())}")
        _tell(f"  {film.label:6} {film.film}  {film.state}" for film in exam.films)
    _tell(f"{film.label:6} {film.film}  quarantined: {film.notes[-1]}" for film in held)


@shell.command()
def confirm(
    film: Name,
    laterality: Annotated[str, typer.Option(metavar="L|R", help="The breast. Default: as guessed.")] = "",
    view: Annotated[str, typer.Option(metavar="CC|MLO|…", help="The view. Default: as guessed.")] = "",
    whose: Annotated[bool, typer.Option("--whose", help="You have made sure that it is this patient's.")] = False,
    out: Out = None,
) -> None:
    """Say which view a film shows, after looking at it; and, where that is in doubt, whose it is."""
    from explain_core.dicom.views import VIEWS
    from explain_core.films import record

    if laterality not in ("", "L", "R") or (view and view not in VIEWS):
        raise ParamError(f"--laterality {laterality!r}, --view {view!r}: L or R, and one of {', '.join(VIEWS)}.")
    films = out or films_folder()
    made = record.confirm(films, record.find(films, film), laterality, view, whose=whose)
    typer.echo(f"{made.film}  {made.label}  {made.state}")
    _tell(f"  {note}" for note in made.notes if note.endswith(record.CONFIRM))


@shell.command()
def release(film: Name, out: Out = None) -> None:
    """Let a film out of quarantine, after looking whether somebody is named on it."""
    from explain_core.films import record

    films = out or films_folder()
    made = record.release(films, record.find(films, film))
    typer.echo(f"{made.film}  {made.label}  {made.state}")


@contextmanager
def first_interrupt() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C lets the film at hand be finished; the second is as ever.  Where it is ignored it stays so."""
    asked: list[int] = []

    def stop(number: int, _: Any) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, stop)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


def _report(done: Imported) -> Iterable[str]:
    held = sum(film.state == "quarantined" for film in done.films)
    waiting = sum(film.state == "unconfirmed" for film in done.films)
    yield (
        f"{len(done.films)} films imported ({waiting} to be confirmed, {held} in quarantine), "
        f"{done.already} were there, {len(done.faults)} refused, {done.others} files of other kinds"
    )
    for exam in done.exams:
        yield f"{exam.patient}  {exam.name}  {' '.join(film.label for film in exam.films)}"
        yield from (f"  {note}" for note in exam.notes())
    yield from (f"quarantined  {film.film}: {film.notes[-1]}" for film in done.films if film.state == "quarantined")
    yield from done.notes
    if done.removed:
        told = ", ".join(f"{word} {times}" for word, times in sorted(done.removed.items()))
        yield f"taken out or replaced: {told}"
    if done.cancelled:
        yield "stopped; what was finished is kept, and the same command goes on"


def _lines(facts: Facts) -> Iterator[str]:
    from explain_core.films.spacing import spacing_text

    yield f"{facts.photometric}, {facts.modality or 'no modality'}, for {facts.intent}"
    yield f"laterality {facts.laterality or 'not told'}, view {facts.view or 'not told'}" + "".join(
        f", {word}" for word in facts.modifiers
    )
    yield spacing_text(facts.spacing)
    implant = {True: "a breast implant", False: "no breast implant", None: "not told whether there is an implant"}
    yield implant[facts.implant]
    for voi in facts.vois:
        kind = type(voi).__name__
        yield f"{'table' if kind == 'Lut' else 'window'} {voi.explanation}".rstrip()
    yield from facts.notes


def _row(film: Record) -> dict[str, Any]:
    return {
        "film": film.film, "patient": film.patient, "exam": film.exam, "date": film.date, "view": film.label,
        "state": film.state, "notes": film.notes,
    }  # fmt: skip


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)
