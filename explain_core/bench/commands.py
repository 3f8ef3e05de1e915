"""`rhoscope bench`.  torch is imported where it is used, so that --help is quick."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from explain_core.errors import InputError
from explain_core.terminal import DeviceOption, check_writable, progress_bar

if TYPE_CHECKING:
    from explain_core.bench.growth import GrowthReport
    from explain_core.bench.methods import Report
    from explain_core.bench.peers import PeerReport
    from explain_core.models.classifier import Classifier

shell = typer.Typer()


@shell.command()
def bench(
    model: Annotated[str, typer.Option(metavar="SPEC", help="The network.")] = "demo",
    size: Annotated[str, typer.Option(metavar="HxW", help="Pixels of the pictures. Default: the model's own.")] = "",
    batch: Annotated[int, typer.Option(min=1, help="Pictures in the batch.")] = 1,
    data: Annotated[str | None, typer.Option(metavar="SPEC", help="Its first pictures, instead of noise.")] = None,
    method: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A method; may be repeated.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="METHOD.KNOB=VALUE", help="A parameter of a method.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=5, help="Turns; medians are taken over them.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    device: DeviceOption = "cpu",
    peers: Annotated[bool, typer.Option("--peers", help="Against captum, grad-cam and foolbox, in turn.")] = False,
    growth: Annotated[bool, typer.Option("--growth", help="As batch, ρ, size and masks grow.")] = False,
    file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here.")] = None,
    figure: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Also draw --growth here.")] = None,
) -> None:
    """Measure what each method costs, in units of one forward + backward pass."""
    if peers and growth:
        raise InputError("--peers and --growth are two measurements: ask for one at a time.")
    if growth and (batch > 1 or data):
        raise InputError("--growth chooses its pictures itself: leave out --batch and --data.")
    if figure and not growth:
        raise InputError("--figure draws what --growth measures: add --growth.")
    for path in filter(None, (file, figure)):
        check_writable(path.parent)
    from explain_core import export
    from explain_core.asked import size_from
    from explain_core.bench.plot import drawn
    from explain_core.engine.library import choose_device
    from explain_core.models.zoo import load_model

    where = choose_device(device)
    common = {"size": size_from(size) if size else None, "rounds": rounds, "threads": threads}
    shown = {**common, "batch": batch, "data": data}
    report: Report | PeerReport | GrowthReport
    with progress_bar(f"{rounds} rounds") as (show, say):
        loaded = load_model(model).to(where)
        if growth:
            report, text = _growth(loaded, method or (), settings or (), {**common, "on_progress": show})
            if figure:
                export.write(figure, drawn(report).encode())
        elif peers:
            report, text = _peers(loaded, method or (), settings or (), {**shown, "on_progress": show})
        else:
            report, text = _methods(loaded, method or (), settings or (), {**shown, "on_progress": show}, say)
    typer.echo(text)
    if file:
        export.write(file, export.json_line(report.as_dict()).encode())


def _methods(
    model: Classifier, names: Sequence[str], settings: Sequence[str], how: Mapping[str, Any], say: Callable[[str], None]
) -> tuple[Report, str]:
    """All methods that can explain the model, where none is named."""
    from explain_core.asked import applying, knobs_from, methods_named
    from explain_core.bench.methods import bench
    from explain_core.bench.report import cost_table

    knobs = knobs_from(methods_named(names), settings)
    report = bench(model, knobs if names else applying(knobs, model, say), **how)
    return report, cost_table(report)


def _peers(
    model: Classifier, names: Sequence[str], settings: Sequence[str], how: Mapping[str, Any]
) -> tuple[PeerReport, str]:
    """All methods that a peer has, where none is named."""
    from explain_core.asked import knobs_from, methods_named
    from explain_core.bench.peers import against_peers
    from explain_core.bench.report import peer_table
    from explain_core.bench.rivals import RIVALS

    knobs = knobs_from(methods_named(names or [rival.method for rival in RIVALS]), settings)
    report = against_peers(model, knobs, **how)
    return report, peer_table(report)


def _growth(
    model: Classifier, names: Sequence[str], settings: Sequence[str], how: Mapping[str, Any]
) -> tuple[GrowthReport, str]:
    from explain_core.asked import knobs_from, methods_named
    from explain_core.bench.growth import METHOD, SETTINGS, growth
    from explain_core.bench.report import growth_table

    name, *more = methods_named(names or (METHOD,))
    if more:
        raise InputError(f"--growth measures one method beside RISE: leave out --method {more[0]}.")
    given = knobs_from([name], settings)[name]
    report = growth(model, name, given or (SETTINGS if name == METHOD else {}), **how)
    return report, growth_table(report)
