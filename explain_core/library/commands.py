"""`rhoscope library …`: what the library holds, and what comes into it.  Its tables are handed in as `context.obj`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from explain_core.errors import DataError, InputError, ParamError
from explain_core.terminal import progress_bar

if TYPE_CHECKING:
    from explain_core.library.rows import Step

Name = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits and dashes.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]

shell = typer.Typer(name="library", help="Registered models, and data sets as they were.", no_args_is_help=True)


@shell.command()
def models(context: typer.Context, as_json: AsJson = False) -> None:
    """List registered models."""
    from explain_core.library import shown

    rows, faults = shown.models()
    _tell(rows, [*faults, *_missing(_kept_in_step(context).missing_models)], as_json)


@shell.command()
def data(context: typer.Context, as_json: AsJson = False) -> None:
    """List the manifests of data sets."""
    from explain_core.library import shown

    rows, faults = shown.datasets()
    _tell(rows, [*faults, *_missing(_kept_in_step(context).missing_data)], as_json)


@shell.command()
def register(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A trained network, such as OUT/network.")],
    name: Name,
) -> None:
    """Copy a trained network into the library, as the next version of a name."""
    from explain_core.models import registry

    version = registry.register(folder, name)
    _kept_in_step(context)
    typer.echo(f"registry/{name}@{version}")


@shell.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Weights in the safetensors format.")],
    name: Name,
    architecture: Annotated[str, typer.Option(metavar="ROW", help="The network; docs/models.md lists them.")],
    classes: Annotated[str, typer.Option(metavar="A,B,…", help="Their names, in the order of the logits.")],
    size: Annotated[str, typer.Option(metavar="HxW|any", help="Pixels of the pictures it takes.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KNOB=VALUE", help="Of the network; may be repeated.")
    ] = None,
    channels: Annotated[int, typer.Option(min=1, max=3, help="1 for grey, 3 for colour.")] = 3,
    kind: Annotated[str, typer.Option(help="softmax, sigmoid or binary.")] = "softmax",
    mean: Annotated[str, typer.Option(metavar="M,…", help="By channel, of pixels in [0, 1].")] = "0",
    std: Annotated[str, typer.Option(metavar="S,…", help="By channel, of pixels in [0, 1].")] = "1",
    views: Annotated[str, typer.Option(help="Of films: as stored, or chest wall left.")] = "as stored",
    greys: Annotated[str, typer.Option(help="Of films: stored range, or first window.")] = "stored range",
    next_version: Annotated[bool, typer.Option("--next", help="As the next version of a name there is.")] = False,
) -> None:
    """Check your own weights by loading them, and register them."""
    from explain_core.asked import size_from
    from explain_core.models.imported import Told, import_file, knobs_from_texts, numbers_from

    told = Told(
        architecture,
        knobs_from_texts(architecture, _pairs(settings or ())),
        tuple(text.strip() for text in classes.split(",")),
        channels,
        None if size == "any" else size_from(size),
        kind,
        numbers_from(mean),
        numbers_from(std),
        views,
        greys,
    )
    version = import_file(file, name, told, next_version=next_version)
    _kept_in_step(context)
    typer.echo(f"registry/{name}@{version}")


@shell.command("manifest")
def make(
    context: typer.Context,
    name: Name,
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="A data set; docs/data.md lists the forms.")],
    pictures: Annotated[bool, typer.Option("--pictures", help="Decode every picture and keep its SHA-256.")] = False,
) -> None:
    """Keep a data set as it is now."""
    from explain_core.data import manifest

    with progress_bar(spec) as (show, _):
        made, new = manifest.make_manifest(name, spec, pictures=pictures, on_progress=show)
    _kept_in_step(context)
    typer.echo(f"manifest:{name}@{made.version}  {made.n} items, " + ("new" if new else "there already"))


@shell.command()
def verify(
    asked: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="A manifest; without a version, its newest.")],
) -> None:
    """Read a data set again and say what has changed since its manifest was made."""
    from explain_core.data import manifest

    name, _, version = asked.partition("@")
    known = manifest.find(name, version or None)
    with progress_bar(known.spec) as (show, _):
        found = manifest.verify(known, on_progress=show)
    told = "; ".join(found.lines())
    if found:
        raise DataError(f"manifest:{name}@{known.version}: {told}; `rhoscope library manifest` keeps it as it is now.")
    typer.echo(f"manifest:{name}@{known.version}: {told}")


def _pairs(settings: Iterable[str]) -> dict[str, str]:
    found = {}
    for text in settings:
        knob, equals, value = text.partition("=")
        if not equals:
            raise ParamError(f"--set {text}: the form is KNOB=VALUE.")
        found[knob] = value
    return found


def _kept_in_step(context: typer.Context) -> Step:
    from explain_core.library.rows import keep_in_step

    return keep_in_step(context.obj())


def _missing(names: Iterable[str]) -> list[str]:
    return [f"{name}: its files are gone; restore them from a backup." for name in names]


def _tell(rows: list[dict[str, str]], faults: list[str], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    for row in [] if as_json else rows:
        typer.echo(_line(row))
    if faults:
        raise InputError(" ".join(faults))


def _line(row: Mapping[str, str]) -> str:
    rest = ", ".join(f"{name.lower()} {text}" for name, text in list(row.items())[2:] if text != "–")
    return f"{row['Name']}@{row['Version']}  {rest}"
