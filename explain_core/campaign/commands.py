"""`rhoscope campaign`: builds a bundle that `rhoscope labels campaign NAME --from` opens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from explain_core.terminal import Device, DeviceOption, check_writable, progress_bar

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
    device: DeviceOption = Device.AUTO,
) -> None:
    """Make confident adversarial examples for people to judge; the same again goes on where it was."""
    check_writable(out)
    from explain_core.campaign.long import carry_out, knobs_of

    spec = {"model": model, "data": data, "beside": beside or [], "params": knobs_of(settings or ()), "title": title}
    with progress_bar("Campaign") as (show, _):
        bundle = carry_out(spec, out, device.value, show)
    typer.echo(str(bundle))
