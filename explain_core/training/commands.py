"""`rhoscope train` and `rhoscope recipes`.  torch is imported where it is used, so that --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from explain_core.errors import InputError
from explain_core.terminal import DeviceOption, check_writable, progress_bar

shell = typer.Typer()


@shell.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="One of `rhoscope recipes`, or a .toml file.")],
    data: Annotated[str, typer.Option(metavar="SPEC", help="The training pictures; docs/data.md lists the forms.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The run's folder; DIR/network will be the network.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="PART.FIELD=VALUE", help="Of the recipe; may be repeated.")
    ] = None,
    n: Annotated[int | None, typer.Option("--n", min=2, help="Pictures, drawn with the seed. Default: all.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from DIR's checkpoint.")] = False,
    device: DeviceOption = "auto",
) -> None:
    """Train a network by a recipe; under torchrun, several processes train it together."""
    check_writable(out)
    from explain_core.training.recipe import load_recipe
    from explain_core.training.telling import Alone
    from explain_core.training.training import started, train

    asked = load_recipe(recipe, settings or ())
    if started(out) and not resume:
        raise InputError(f"{out} holds a training run: add --resume to go on with it, or give another folder.")
    with progress_bar(asked.title or recipe) as (show, say):
        done = train(asked, data, out, n=n, device=device, listener=Alone(show))
        for name, value in done.figures.items():
            say(f"{name}: {value:.4f}")
    typer.echo(f"trained:{done.network}")


@shell.command()
def recipes() -> None:
    """List the papers' recipes."""
    from explain_core.training.recipe import load_recipe, recipe_names

    for name in recipe_names():
        typer.echo(f"{name}  {load_recipe(name).title}")


@shell.command("bench-training")
def bench_training(
    batch: Annotated[int, typer.Option(min=2, help="Pictures in a step.")] = 32,
    rounds: Annotated[int, typer.Option(min=3, help="Turns; medians are taken over them.")] = 7,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="PART.FIELD=VALUE", help="Of the recipe, ae-cifar10.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.")] = None,
    device: DeviceOption = "cpu",
) -> None:
    """Measure what a training step costs with each term, in steps of plain training."""
    from explain_core import export
    from explain_core.training.bench import bench_training

    report = bench_training(batch, rounds, settings or (), device)
    for line in report.lines():
        typer.echo(line)
    if file:
        export.write(file, export.json_line(report.as_dict()).encode())
