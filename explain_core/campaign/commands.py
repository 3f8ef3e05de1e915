"""`rhoscope campaign`: builds a bundle that `rhoscope labels campaign NAME --from` opens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from explain_core.terminal import DeviceOption, check_writable, progress_bar

shell = typer.Typer()


@shell.command()
def campaign(
    data: Annotated[str, typer.Option(metavar="SPEC", help="The pictures; docs/data.md lists the forms.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The build's folder; DIR/bundle will be the bundle.")],
    model: Annotated[str, typer.Option(metavar="SPEC", help="The network.")] = "demo",
    beside: Annotated[
        list[str] | None, typer.Option(metavar="SPEC", help="Another network, for the strategy bald; may be repeated.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KNOB=VALUE", help="Such as items=600; may be repeated.")
    ] = None,
    title: Annotated[str, typer.Option(help="What raters see above the items.")] = "",
    device: DeviceOption = "auto",
) -> None:
    """Make confident adversarial examples for people to judge; the same again goes on where it was."""
    check_writable(out)
    from explain_core.campaign.long import carry_out, knobs_of

    spec = {"model": model, "data": data, "beside": beside or [], "params": knobs_of(settings or ()), "title": title}
    with progress_bar("Campaign") as (show, _):
        bundle = carry_out(spec, out, device, show)
    typer.echo(str(bundle))


@shell.command("simulated-rater")
def simulated_rater(
    bundle: Annotated[Path, typer.Argument(metavar="DIR", help="A campaign's bundle.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="A table for `rhoscope labels import`.")],
    model: Annotated[
        str, typer.Option(metavar="SPEC", help="The network that answers; not the campaign's own.  Without: the truth.")
    ] = "",
    name: Annotated[str, typer.Option(help="Its name as a rater, after “simulated”.")] = "one",
    sure: Annotated[float, typer.Option(min=0, max=1, help="Below this probability it is unsure.")] = 0.5,
    error: Annotated[float, typer.Option(min=0, max=1, help="How often it gives another answer.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Of its errors.")] = 0,
    device: DeviceOption = "auto",
) -> None:
    """Let a network answer in people's place, or of phantoms the truth; the labels say that it is no person."""
    check_writable(out.parent)
    from collections import Counter

    from explain_core import export
    from explain_core.campaign.known import known_answers
    from explain_core.campaign.simulated import answers, as_table
    from explain_core.engine.library import Library, choose_device
    from explain_core.methods import METHODS

    if model:
        held = Library(choose_device(device), METHODS).open(model)
        found = answers(bundle, held, sure=sure, error=error, seed=seed)
    else:
        found = known_answers(bundle, error=error, seed=seed)
    export.write(out, as_table(found, name).encode())
    typer.echo(", ".join(f"{count} {answer}" for answer, count in sorted(Counter(found.values()).items())))
