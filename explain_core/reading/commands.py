"""`rhoscope study build`: computes what a study shows; `rhoscope study create` then sets it up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from explain_core.reading.asked import KIND, build_spec
from explain_core.terminal import DeviceOption, check_writable, progress_bar

shell = typer.Typer()


@shell.command()
def build(
    context: typer.Context,
    data: Annotated[str, typer.Option(metavar="SPEC", help="phantom:N,SEED, films, or films:PATIENT/EXAM,…")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The build's folder; DIR/bundle will be the bundle.")],
    arm: Annotated[
        list[str], typer.Option(metavar="NAME=METHOD,…[+output]", help="What the second step shows; may be repeated.")
    ],
    model: Annotated[str, typer.Option(metavar="SPEC", help="The network.")] = "demo",
    practice: Annotated[str, typer.Option(metavar="SPEC", help="Practice cases: phantom:N,SEED.")] = "",
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A table of case (PATIENT/EXAM) and label, 0 or 1.")
    ] = None,
    films: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where films are. Default: the workspace's.")
    ] = None,
    target: Annotated[str, typer.Option(metavar="NAME|top1", help="The class that is explained.")] = "top1",
    title: Annotated[str, typer.Option(help="What readers see above the cases; else: Reader study.")] = "",
    seed: Annotated[int, typer.Option(help="Seeds whatever a method draws at random.")] = 0,
    queue: Annotated[bool, typer.Option("--queue", help="Leave it to a worker, as a run.")] = False,
    device: DeviceOption = "auto",
) -> None:
    """Compute every explanation of a study's cases; the same again goes on where it was, and tries what failed."""
    check_writable(out)
    spec = build_spec(
        data, arm, model=model, practice=practice, truth=truth, films=films, target=target, title=title, seed=seed
    )
    if queue:
        run = context.obj().submit(KIND, spec, title=title or data, out=out.absolute())
        typer.echo(f"{run.id} waits for a worker: `rhoscope worker --until-idle`, or the open page, starts it.")
        return
    from explain_core.reading.long import carry_out

    with progress_bar("Study") as (show, say):
        bundle = carry_out(spec, out, device, on_progress=show, on_fault=say)
    typer.echo(str(bundle))


@shell.command()
def pictures(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `rhoscope study labels` wrote.")],
    films: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where films are. Default: the workspace's.")
    ] = None,
) -> None:
    """Make a data set of labelled films, csv:DIR/labels.csv, with 16-bit pictures."""
    from explain_core.models.registry import workspace
    from explain_core.reading.pictures import make

    with progress_bar("Pictures") as (show, _):
        table = make(folder, films or workspace() / "films", on_progress=show)
    typer.echo(f"csv:{table}")
