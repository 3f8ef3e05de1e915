"""`rhoscope retrain`, and of `rhoscope labels` what freezes, promotes and rolls back; only `retrain` needs torch.

The store is handed in as `context.obj`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from explain_core.errors import OutputError
from explain_core.terminal import DeviceOption, check_writable, one_line, progress_bar

if TYPE_CHECKING:
    from explain_core.models.promotions import Promotion
    from explain_core.records import Run

By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who does this.")]
Why = Annotated[str, typer.Option(help="Why, in a sentence.")]
Db = Annotated[str | None, typer.Option("--db", metavar="URL", help="The database. Default: RHOSCOPE_DB, or SQLite.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


class Store(Protocol):
    """What is needed of the labels; `annotations.retraining.Retrainings`, handed in from outside."""

    def model_of(self, campaign: str) -> str: ...

    def start(self, campaign: str, plan: Mapping[str, Any], *, rule: str, by: str, out: Path) -> Run: ...

    def check_right(self, by: str) -> None: ...

    def promoted(self, name: str, version: int, previous: int | None, *, why: str, by: str) -> None: ...


shell, of_labels = typer.Typer(), typer.Typer()


@shell.command()
def retrain(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="What `rhoscope labels retrain` has frozen.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The networks, and proof.json.")],
    device: DeviceOption = "auto",
) -> None:
    """Retrain from a manifest alone, and prove whether it helped; the same again goes on where it was."""
    from explain_core.retraining.manifest import FILE, read_manifest

    read_manifest(manifest)
    check_writable(out)
    from explain_core.retraining.long import retrain
    from explain_core.training.telling import Alone

    _lay_down(manifest, out / FILE)
    with progress_bar("Retraining") as (show, _):
        proof = retrain(out / FILE, out, device, _Alone(device, Alone(show)))
    typer.echo(proof.as_dict()["sentence"])


class _Alone:
    """Nobody but the terminal follows."""

    def __init__(self, device: str, listener: Any) -> None:
        self.device, self._listener = device, listener

    def progress(self, share: float, note: str = "") -> None:
        self._listener.progress(share, note)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._listener.metrics(step, values)

    def cancelled(self) -> bool:
        return False


def _lay_down(manifest: Path, place: Path) -> None:
    """The manifest in the run's folder; raises OutputError where another one lies there."""
    from explain_core.export import write

    content = manifest.read_bytes()
    if place.exists() and place.read_bytes() != content:
        raise OutputError(f"{place.parent} holds another retraining: give another folder.")
    write(place, content)


@of_labels.command("retrain")
def of_campaign(
    context: typer.Context,
    campaign: Annotated[str, typer.Argument(metavar="NAME", help="The campaign.")],
    test: Annotated[str, typer.Option(metavar="SPEC", help="Test pictures; docs/data.md lists the forms.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder of the retraining.")],
    by: By,
    recipe: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A recipe. Default: the one that the network was trained by.")
    ] = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KNOB=VALUE", help="n=5000, or of the recipe, schedule.epochs=15."),
    ] = None,
    rule: Annotated[str, typer.Option(help="majority, unanimous or weighted.")] = "majority",
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """Freeze what people said into a manifest, and put a retraining into the table of runs."""
    from explain_core.retraining.manifest import FILE
    from explain_core.retraining.plan import plan_of

    store: Store = context.obj(db)
    plan = plan_of(store.model_of(campaign), test, recipe, settings or ())
    run = store.start(campaign, plan, rule=rule, by=by, out=out)
    told = {"run": run.id, "manifest": str(out / FILE)}
    typer.echo(json.dumps(told) if as_json else f"run {run.id}; {told['manifest']}. A worker carries it out.")


@of_labels.command()
def promote(
    context: typer.Context,
    network: Annotated[Path, typer.Argument(metavar="DIR", help="The network, such as OUT/labelled-0/network.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="The registered model whose current version it becomes.")],
    by: By,
    why: Why,
    db: Db = None,
) -> None:
    """Make a retrained network the current version of a registered model."""
    from explain_core.models import registry

    _decided(context.obj(db), name, by, why, lambda: registry.promote(network, name, by=by, why=why))


@of_labels.command("roll-back")
def roll_back(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A registered model.")],
    by: By,
    why: Why,
    db: Db = None,
) -> None:
    """Undo the last promotion of a registered model."""
    from explain_core.models import registry

    _decided(context.obj(db), name, by, why, lambda: registry.roll_back(name, by=by, why=why))


def _decided(store: Store, name: str, by: str, why: str, decide: Callable[[], Promotion]) -> None:
    store.check_right(by)
    made = decide()
    store.promoted(name, made.version, made.before, why=why, by=by)
    typer.echo(one_line(f"registry/{name} is version {made.version} now; it was {made.before or 'nothing'} before."))
