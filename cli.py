"""Rhoscope from a shell: `rhoscope app | explain | evaluate | table | attack | train | runs | worker | library |
campaign | labels | study | dicom | backup | restore | methods | metrics | protocols | models | bench`.  The one place
that knows both the table of runs and what can be run: RUNS.

Everything that needs torch is imported where it is used, so that `rhoscope --help` is quick.
What a user can cause ends in one line on stderr and exit code 2; anything else in one line and 1,
and `--debug` shows the whole of it.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotations import commands as labels
from annotations.reading import commands as study
from annotations.workspace import home
from explain_core import __version__
from explain_core.bench import commands as bench
from explain_core.campaign import commands as campaign
from explain_core.errors import InputError, RhoscopeError
from explain_core.evaluation import commands as evaluation
from explain_core.films import handing as films
from explain_core.heap import keep_pages
from explain_core.library import commands as library
from explain_core.reading import commands as reading
from explain_core.retraining import commands as retraining
from explain_core.runs import commands
from explain_core.runs.beside import start_worker
from explain_core.runs.kinds import Kind, by_name
from explain_core.terminal import DeviceOption, MemoryOption, check_writable, device_named, one_line, progress_bar
from explain_core.training import commands as training

if TYPE_CHECKING:
    from annotations.registry import Registry
    from annotations.retraining import Retrainings
    from annotations.runs import RunStore

USER_FAULT, OUR_FAULT, INTERRUPTED = 2, 1, 130
RUNS = by_name(
    Kind("evaluate", "explain_core.evaluation.long:evaluate"),
    Kind("train", "explain_core.training.training:work"),
    Kind("campaign", "explain_core.campaign.long:work"),
    Kind("retrain", "explain_core.retraining.long:work"),
    Kind("study", "explain_core.reading.long:work"),
)
"""What can be carried out as a run: a name, and the function that does it."""

shell = typer.Typer(
    name="rhoscope",
    help="Explanations of image classifiers, with the size of the change they need as a slider.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
study.shell.add_typer(reading.shell)
for part in (commands, training, evaluation, campaign, retraining, films, study, bench):
    shell.add_typer(part.shell)


def _library(context: typer.Context) -> None:
    context.obj = open_registry


def _labels(context: typer.Context) -> None:
    context.obj = open_labels


shell.add_typer(library.shell, callback=_library)
labels.shell.add_typer(retraining.of_labels)
shell.add_typer(labels.shell, callback=_labels)


def open_runs() -> RunStore:
    """The table of runs; raises StoreError."""
    from annotations.database import open_database
    from annotations.runs import RunStore

    return RunStore(open_database())


def open_labels(url: str | None = None) -> Retrainings:
    """What retraining needs of the labels; raises StoreError."""
    from annotations.database import open_database
    from annotations.retraining import Retrainings

    return Retrainings(open_database(url))


def open_registry() -> Registry:
    """The tables of registered models and data sets; raises StoreError."""
    from annotations.database import open_database
    from annotations.registry import Registry

    return Registry(open_database())


Model = Annotated[
    str, typer.Option("--model", metavar="SPEC", help="A model spec; `rhoscope models` lists their forms.")
]
MethodNames = Annotated[
    list[str] | None, typer.Option("--method", metavar="NAME", help="A method; may be repeated. Default: all.")
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="METHOD.KNOB=VALUE", help="A parameter; may be repeated.")
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rhoscope {__version__}")
        raise typer.Exit


@shell.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the whole of an error. Stands before the command.")
    ] = False,
) -> None:
    """Explanations of image classifiers, with the size of the change they need as a slider."""
    context.obj = open_runs


@shell.command()
def app(
    port: Annotated[int, typer.Option(min=1, max=65535, envvar="RHOSCOPE_PORT", help="The port to listen on.")] = 8501,
    address: Annotated[
        str, typer.Option(help="The address to listen on; anything but loopback lets others in.")
    ] = "127.0.0.1",
    allow_code: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Offer the model factories (FILE.py:FUNCTION) under this folder: their code is run."
        ),
    ] = None,
    workspace: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder of pictures that the page may open.")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", envvar="RHOSCOPE_CACHE", help="Keep explanations in this folder, for after a restart."
        ),
    ] = None,
    cache_gib: Annotated[
        float,
        typer.Option(
            min=0.01, max=65_536, metavar="GIB", envvar="RHOSCOPE_CACHE_GIB", help="At most so much lies there."
        ),
    ] = 4,
) -> None:
    """Open the page, on this machine only unless --address says otherwise."""
    _check_free(address, port)
    settings = {"RHOSCOPE_PORT": str(port)}
    # One core stays free for the page: with all of them computing, both are several times slower.
    settings["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) - 1)))
    for name, folder in (("RHOSCOPE_ALLOW_CODE", allow_code), ("RHOSCOPE_WORKSPACE", workspace)):
        if folder is not None:
            settings[name] = str(_folder(folder))
    if cache is not None:
        check_writable(cache, "--cache", 0o700)
        settings |= {"RHOSCOPE_CACHE": str(cache.resolve()), "RHOSCOPE_CACHE_GIB": f"{cache_gib:g}"}
    start_worker(home(), settings)  # what was left when the app was closed goes on
    page = Path(__file__).with_name("app.py")
    command = [sys.executable, str(page)]
    flags = [f"--server.address={address}", f"--server.port={port}", "--browser.gatherUsageStats=false"]
    os.execve(sys.executable, command + flags, {**os.environ, **settings})


@shell.command()
def explain(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="Pictures, folders of them, or film:NAME.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the results are written.")],
    model: Model = "demo",
    method: MethodNames = None,
    target: Annotated[str, typer.Option(metavar="INDEX|NAME|top1|top2", help="The class to explain.")] = "top1",
    rho: Annotated[
        list[str] | None,
        typer.Option(metavar="X|none", help="RMS bound on the change, pixels in [0, 1]; may be repeated."),
    ] = None,
    settings: Settings = None,
    seed: Annotated[int, typer.Option(help="Seeds whatever a method draws at random.")] = 0,
    device: DeviceOption = "auto",
    memory: MemoryOption = None,
) -> None:
    """Explain pictures: DIR/explanations.jsonl, and an npz and a PNG per result."""
    check_writable(out)
    from explain_core.asked import Asked, applying, knobs_from, methods_named, pictures_in, rho_from
    from explain_core.batch import explain_files
    from explain_core.engine.library import choose_device
    from explain_core.models.zoo import load_model

    where, files = choose_device(device), pictures_in(images)
    knobs = knobs_from(methods_named(method or ()), settings or ())
    asked = Asked(knobs, target, tuple(map(rho_from, rho or ())), seed, memory)
    with progress_bar(f"{len(files)} pictures, {len(knobs)} methods") as (show, say):
        loaded = load_model(model).to(where)
        if not method:
            asked = replace(asked, knobs=applying(knobs, loaded, say))
        done = explain_files(loaded, files, asked, out, on_fault=say, on_progress=show)
    _tell(done.lines(out))
    if done.faults:
        raise typer.Exit(USER_FAULT)


@shell.command()
def evaluate(
    name: Annotated[str, typer.Argument(metavar="METRIC|PROTOCOL", help="One of `rhoscope metrics` or `protocols`.")],
    data: Annotated[str, typer.Option(metavar="SPEC", help="Where the pictures are; docs/data.md lists the forms.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The result; its records lie beside it, in FILE's .run.")],
    model: Annotated[
        list[str] | None, typer.Option(metavar="SPEC", help="A model; may be repeated. Default: demo.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A method; may be repeated. A protocol has its own.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME.KNOB=VALUE", help="Of a method, metric or protocol.")
    ] = None,
    rho: Annotated[str, typer.Option(metavar="X|none", help="RMS bound on the change, for methods with one.")] = "none",
    n: Annotated[int | None, typer.Option("--n", min=1, help="Pictures, drawn with the seed. Default: all.")] = None,
    seed: Annotated[int, typer.Option(help="Seeds the draw of pictures and whatever is drawn at random.")] = 0,
    device: DeviceOption = "auto",
) -> None:
    """Run a metric or a paper's protocol; asked again after a stop, it goes on where it was."""
    check_writable(out.parent)
    from explain_core.asked import rho_from
    from explain_core.evaluation.asked import study_asked
    from explain_core.evaluation.long import measure
    from explain_core.evaluation.result import lines

    with progress_bar(name) as (show, say):
        study = study_asked(name, data, model or ["demo"], method or (), settings or (), rho_from(rho), n, seed, device)
        values = measure(study, out, on_progress=show, on_fault=say)
    _tell(lines(values))


@shell.command()
def worker(
    device: Annotated[
        list[str] | None,
        typer.Option(metavar="auto|cpu|cuda[:N]", help="Where its runs compute; may be repeated. auto: on every GPU."),
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many runs of a device at once.")] = 1,
    once: Annotated[bool, typer.Option("--once", help="End after one run.")] = False,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when nothing is left to do.")] = False,
    lonely: Annotated[bool, typer.Option("--alone", help="Leave where the workspace has a worker.")] = False,
) -> None:
    """Carry out the runs that wait, each in a process of its own."""
    devices = [device_named(text) for text in device or ["auto"]]
    commands.work(
        open_runs(), RUNS, home(), devices=devices, at_once=at_once, once=once, until_idle=until_idle, lonely=lonely
    )


@shell.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A zip file that is not there yet.")],
    checkpoints: Annotated[bool, typer.Option("--checkpoints", help="Also the checkpoints of runs.")] = False,
) -> None:
    """Write the whole workspace into one file."""
    from annotations.backup import write_backup

    with progress_bar("backup") as (show, say):
        made = write_backup(file, checkpoints=checkpoints, on_progress=show)
        for note in made.notes:
            say(f"left out: {note}")
    typer.echo(f"{file}  {made.files} files")


@shell.command()
def restore(file: Annotated[Path, typer.Argument(metavar="FILE", help="What `rhoscope backup` has written.")]) -> None:
    """Put a backup into an empty workspace."""
    from annotations.restore import restore as put_back

    with progress_bar("restore") as (show, _):
        contents = put_back(file, on_progress=show)
    typer.echo(f"{home()}  {len(contents.files)} files of {contents.created}")


@shell.command()
def metrics() -> None:
    """List the metrics, what they need, and their parameters."""
    from explain_core import listing

    _tell(listing.metrics())


@shell.command()
def protocols() -> None:
    """List the papers' tables and figures that can be run."""
    from explain_core import listing

    _tell(listing.protocols())


@shell.command()
def methods() -> None:
    """List the methods, what they cost and their parameters."""
    from explain_core import listing

    _tell(listing.methods())


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


@shell.command()
def models() -> None:
    """List how a model is named, and the networks that are known by name."""
    from explain_core.models.zoo import FORMS, known_specs

    for form, text in FORMS.items():
        typer.echo(f"{form}  {text}")
    typer.echo(f"By name: {', '.join(known_specs())}")


def _check_free(address: str, port: int) -> None:
    """Streamlit would say so too, but after starting."""
    try:
        family, *_, where = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.create_server(where[:2], family=family):
            pass
    except OSError as error:
        raise InputError(f"Cannot listen on {address}, port {port}: {error.strerror}; give another --port.") from None


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise InputError(f"{path} is no folder; give an existing one.")
    return path.resolve()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code: 0, 2 for what the user can mend, 1 for what we must, 130 for Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    keep_pages()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no valid text
    try:
        code = shell([text for text in given if text != "--debug"], prog_name="rhoscope", standalone_mode=False)
    except (RhoscopeError, typer.TyperException) as error:
        if debug:
            raise
        message = error.format_message() if isinstance(error, typer.TyperException) else error
        return _complain(one_line(message), USER_FAULT)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        if debug:
            raise
        what = one_line(f"{type(error).__name__}: {error}")
        return _complain(f"unexpected {what} (rhoscope --debug shows where)", OUR_FAULT)
    if code == INTERRUPTED:  # Typer turns Ctrl-C into a silent exit
        return _complain("interrupted; what was finished is written.", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _complain(text: str, code: int) -> int:
    print(f"rhoscope: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
