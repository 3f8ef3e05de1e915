"""`rhoscope runs …` and `rhoscope worker`: what they say and do.  The table of runs is handed in as `context.obj`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from explain_core.errors import InputError, suggest
from explain_core.records import UNDER_WAY, Run, RunState
from explain_core.runs.beside import alone
from explain_core.runs.kinds import Kinds
from explain_core.runs.scrub import scrub, tail
from explain_core.runs.store import Store
from explain_core.runs.worker import Worker

STATES: tuple[RunState, ...] = ("waiting", "running", "done", "failed", "cancelled", "interrupted")
Name = Annotated[str, typer.Argument(metavar="ID", help="The run's id, or as much of it as only one run has.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, with every field.")]

shell = typer.Typer(name="runs", help="Long work: what there is, cancel it, let it go on.", no_args_is_help=True)


@shell.command("list")
def list_runs(
    context: typer.Context,
    states: Annotated[list[str] | None, typer.Option("--state", help="Only these; may be repeated.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind, such as evaluate.")] = None,
    last: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first."""
    store: Store = context.obj()
    found = store.find(kind=kind, states=[_state(text) for text in states or ()], most=last)
    if as_json:
        typer.echo(json.dumps([as_dict(run) for run in found]))
    for run in [] if as_json else found:
        typer.echo(_line(run))


@shell.command()
def show(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show one run."""
    run = context.obj().get(name)
    if as_json:
        typer.echo(json.dumps(as_dict(run)))
        return
    for field, value in as_dict(run).items():
        if value not in (None, ""):
            typer.echo(f"{field:<13} {json.dumps(value, ensure_ascii=False) if field == 'spec' else value}")


@shell.command()
def logs(
    context: typer.Context,
    name: Name,
    most: Annotated[int, typer.Option("--tail", min=1, metavar="N", help="At most so many characters.")] = 4000,
) -> None:
    """Show the end of what a run said."""
    typer.echo(tail(context.obj().get(name).log, most), nl=False)


@shell.command()
def cancel(context: typer.Context, name: Name) -> None:
    """Stop a run; what it has written stays."""
    run = context.obj().ask_cancel(name)
    typer.echo(f"{run.id} is {'cancelled' if run.state == 'cancelled' else 'being stopped'}.")


@shell.command()
def retry(context: typer.Context, name: Name) -> None:
    """Let a run that ended before it was done go on where it was."""
    run = context.obj().retry(name)
    typer.echo(f"{run.id} waits for a worker: `rhoscope worker --until-idle`, or the open page, starts it.")


def work(
    store: Store,
    kinds: Kinds,
    home: Path,
    *,
    devices: Sequence[str],
    at_once: int,
    once: bool,
    until_idle: bool,
    lonely: bool,
) -> None:
    """A worker in this process; `lonely`, it leaves where the workspace has one."""
    if (until_idle or once) and not store.find(states=UNDER_WAY, most=1):
        return
    with ExitStack() as held:
        free = held.enter_context(alone(home) if lonely else alone(home, patience=0))
        if lonely and not free:
            return
        worker = Worker(store, kinds, devices=_resolved(devices), at_once=at_once)
        ended = worker.run(most=1 if once else None, until_idle=until_idle)
    typer.echo(f"{ended} run{'' if ended == 1 else 's'} ended.")


def as_dict(run: Run) -> dict[str, Any]:
    """Every field in plain values, with the seconds that are expected to remain."""
    now = datetime.now(UTC)
    values = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(run).items()}
    return {**values, "error": scrub(run.error) if run.error else None, "remaining": run.remaining(now)}


def _line(run: Run) -> str:
    left = run.remaining(datetime.now(UTC))
    share = f"{run.progress:4.0%}" + ("" if left is None else f", {left:.0f} s left")
    what = run.error or run.note
    return f"{run.id}  {run.state:<11} {share}  {run.kind}  {run.title}" + (f"  {what}" if what else "")


def _state(text: str) -> RunState:
    for state in STATES:
        if state == text:
            return state
    raise InputError(f"No state {text!r}: {suggest(text, STATES)}")


def _resolved(devices: Sequence[str]) -> list[str]:
    """Each once, `auto` as what there is: asked in another process, because a worker itself needs no torch."""
    found = list[str]()
    for device in devices:
        found += _there() if device == "auto" else [device]
    return list(dict.fromkeys(found))


def _there() -> list[str]:
    """All accelerators of this machine, or else the processor."""
    code = "from explain_core.engine.library import devices; print(*devices())"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return asked.stdout.split() if asked.returncode == 0 else ["cpu"]
