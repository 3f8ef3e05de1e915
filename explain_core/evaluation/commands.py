"""`rhoscope table` and `rhoscope attack`.  torch is imported where it is used, so that --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from explain_core.terminal import DeviceOption, check_writable, progress_bar

shell = typer.Typer()


@shell.command()
def table(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="What `rhoscope evaluate` has written.")],
    pictures: Annotated[bool, typer.Option("--pictures", help="A line for each picture.")] = False,
    row: Annotated[
        str | None, typer.Option("--against", metavar="ROW", help="Every other row less this one, paired by picture.")
    ] = None,
) -> None:
    """Print a result as CSV: its table, or its pictures, or one row against the others."""
    from explain_core.evaluation.against import against
    from explain_core.evaluation.result import read_results
    from explain_core.evaluation.tables import as_csv, per_picture
    from explain_core.evaluation.tables import table as rows_of

    arms = read_results(result)
    lines = against(arms, row) if row is not None else per_picture(arms) if pictures else rows_of(arms)
    typer.echo(as_csv(lines), nl=False)


@shell.command()
def attack(
    data: Annotated[str, typer.Option(metavar="SPEC", help="The pictures; docs/data.md lists the forms.")],
    out: Annotated[Path, typer.Option(metavar="FILE.npz", help="The attacked pictures, to be read as npz:FILE.")],
    name: Annotated[str, typer.Option("--attack", metavar="NAME", help="A row of the table of attacks.")] = "pgd-linf",
    model: Annotated[str, typer.Option(metavar="SPEC", help="The network that is attacked.")] = "demo",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME.KNOB=VALUE", help="Of the attack; may be repeated.")
    ] = None,
    rho: Annotated[str, typer.Option(metavar="X|none", help="RMS bound, for attacks with one.")] = "none",
    n: Annotated[int | None, typer.Option("--n", min=1, help="Pictures, drawn with the seed. Default: all.")] = None,
    seed: Annotated[int, typer.Option(help="Seeds the draw and random starts.")] = 0,
    device: DeviceOption = "auto",
) -> None:
    """Attack a data set and keep the pictures, so that a network can be trained on them."""
    check_writable(out.parent)
    from explain_core.asked import rho_from, settings_of
    from explain_core.attacks import get_attack
    from explain_core.data.sources import load_data
    from explain_core.engine.library import Library, choose_device
    from explain_core.evaluation.attacked_set import attack_set
    from explain_core.methods import METHODS

    row = get_attack(name)
    knobs = settings_of({row.name: row.params}, settings or ())[row.name]
    with progress_bar(row.title) as (show, _):
        items = load_data(data)
        told = attack_set(
            Library(choose_device(device), METHODS).open(model),
            items if n is None else items.sample(n, seed),
            row.name,
            out,
            knobs=knobs,
            rho=rho_from(rho),
            seed=seed,
            on_progress=show,
        )
    typer.echo(f"class lost on {told['lost']:.1%}, mean RMSE {told['rmse']:.4g}: npz:{out}")
