"""`rhoscope dicom export | report | annotations`: what is known of films, handed on and taken over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from explain_core.errors import InputError
from explain_core.films import commands
from explain_core.films.commands import Name

shell = commands.shell

Films = Annotated[Path | None, typer.Option(metavar="DIR", help="Where films are kept. Default: the workspace's.")]
Regions = Annotated[Path | None, typer.Option(metavar="FILE", help="Regions as JSON.")]


@shell.command()
def export(
    film: Name,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where it goes.")],
    kind: Annotated[str, typer.Option(metavar="seg|saliency|gsps|sr", help="The kind of object.")],
    regions: Regions = None,
    map_: Annotated[Path | None, typer.Option("--map", metavar="FILE", help="A map on the film's grid.")] = None,
    title: Annotated[str, typer.Option(metavar="TEXT", help="What the map is.")] = "saliency",
    observer: Annotated[str, typer.Option(metavar="NAME", help="Who drew the regions, by a pseudonym.")] = "",
    organisation: Annotated[
        str, typer.Option(metavar="NAME", help="For whom the observer answers: the report counts as verified.")
    ] = "",
    films: Films = None,
) -> None:
    """Write regions or a map of a film as DICOM SEG, presentation state or structured report."""
    from explain_core.data.marked import read_marked
    from explain_core.dicom.objects.sr import Observer
    from explain_core.films.exporting import OBJECTS, Given, export_object, film_map, unit_map
    from explain_core.films.record import find

    needs = OBJECTS[kind].needs if kind in OBJECTS else ""
    if (needs == "regions" and regions is None) or (needs == "map" and map_ is None):
        raise InputError(f"Kind {kind!r} is made of --{needs}: give a file of it.")
    if organisation and not observer:
        raise InputError(f"--organisation {organisation!r} without --observer: say who answers for the report.")
    folder = films or commands.films_folder()
    record = find(folder, film)
    given = Given(
        read_marked(read_file(regions), record.film) if regions and needs == "regions" else (),
        unit_map(film_map(map_, record)[0]) if map_ and needs == "map" else None,
        title,
        Observer(observer, organisation) if observer else None,
    )
    export_object(kind, folder, record, given, out)
    for note in record.notes:
        typer.echo(f"rhoscope: {note}", err=True)


@shell.command()
def report(
    films: Annotated[list[str], typer.Argument(metavar="FILM", help="The films of one exam.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where it goes, as .html.")],
    regions: Regions = None,
    maps: Annotated[
        list[str] | None, typer.Option("--map", metavar="[FILM=]FILE", help="A map on a film's grid; several times.")
    ] = None,
    folder: Annotated[Path | None, typer.Option("--films", metavar="DIR", help="Where films are kept.")] = None,
) -> None:
    """Write a case as one HTML file: films, regions, explanations, how they overlap, where they come from."""
    from explain_core.data.marked import read_marked
    from explain_core.export import write
    from explain_core.films.exporting import film_map
    from explain_core.films.record import find
    from explain_core.films.report import Shown, case_report

    kept = folder or commands.films_folder()
    text = read_file(regions) if regions else "[]"
    files = dict(_named(one, films) for one in maps or ())
    shown = []
    for name in dict.fromkeys(films):
        record = find(kept, name)
        marked = read_marked(text, name, alone=len(films) == 1)
        saliency, origin = film_map(files[name], record) if name in files else (None, {})
        shown.append(Shown(record, record.open(kept), marked, saliency, origin))
    write(out, case_report(shown).encode())


def _named(text: str, films: list[str]) -> tuple[str, Path]:
    """A map's film and file; raises InputError where it is not told which film it is of."""
    name, _, file = text.rpartition("=")
    if not name and len(films) == 1:
        name = films[0]
    if name not in films:
        raise InputError(f"--map {text!r}: say of which of the films it is, as FILM=FILE.")
    return name, Path(file)


LARGEST = 64 << 20


def read_file(path: Path) -> str:
    """A text file of at most 64 MiB; raises InputError."""
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path} is larger than 64 MiB: give the file of regions.")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        raise InputError(f"{path} cannot be read as text: give a file in UTF-8.") from None


@shell.command("annotations")
def take_over(
    kind: Annotated[str, typer.Argument(metavar="cbis|inbreast|vindr|mias", help="The data set.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Its annotations: a file, or a folder of them.")],
    pictures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The pictures that were imported: find each one's film.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where regions go. Default: the terminal.")] = None,
    films: Films = None,
) -> None:
    """Read the annotation files of a public data set: a line of JSON for each film, in pixels of the film."""
    from explain_core.data.readers import get_reader
    from explain_core.dicom.decode import Decoder
    from explain_core.export import json_line, write
    from explain_core.films.taking import Taken, take

    found = get_reader(kind).read(file)
    if pictures is None:
        taken = [Taken(one) for one in found]
    else:
        with Decoder() as decoder:
            taken = list(take(found, pictures, films or commands.films_folder(), decoder))
    text = "".join(json_line(one.as_dict()) for one in taken)
    if out:
        write(out, text.encode())
        placed = f", {sum(bool(one.film) for one in taken)} found among the films" if pictures else ""
        typer.echo(f"{len(taken)} pictures, {sum(len(one.marks.regions) for one in taken)} regions{placed}")
    else:
        typer.echo(text, nl=False)
    for one in taken:
        for note in one.marks.notes:
            typer.echo(f"rhoscope: {one.marks.picture}: {note}", err=True)
