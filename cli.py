"""Rhoscope from a shell: `rhoscope app | explain | evaluate | methods | metrics | protocols | models | bench`.

Everything that needs torch is imported where it is used, so that `rhoscope --help` is quick.
What a user can cause ends in one line on stderr and exit code 2; anything else in one line and 1,
and `--debug` shows the whole of it.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from explain_core import __version__
from explain_core.errors import InputError, OutputError, RhoscopeError

if TYPE_CHECKING:
    from explain_core.batch import Done
    from explain_core.models.classifier import Classifier
    from explain_core.params import Params

USER_FAULT, OUR_FAULT, INTERRUPTED = 2, 1, 130

shell = typer.Typer(
    name="rhoscope",
    help="Explanations of image classifiers, with the size of the change they need as a slider.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


Model = Annotated[
    str, typer.Option("--model", metavar="SPEC", help="A model spec; `rhoscope models` lists their forms.")
]
MethodNames = Annotated[
    list[str] | None, typer.Option("--method", metavar="NAME", help="A method; may be repeated. Default: all.")
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="METHOD.KNOB=VALUE", help="A parameter; may be repeated.")
]
DeviceOption = Annotated[Device, typer.Option(help="Where to compute.")]


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
) -> None:
    """Open the page, on this machine only unless --address says otherwise."""
    _check_free(address, port)
    settings = {"RHOSCOPE_PORT": str(port)}
    # One core stays free for the page: with all of them computing, both are several times slower.
    settings["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) - 1)))
    for name, folder in (("RHOSCOPE_ALLOW_CODE", allow_code), ("RHOSCOPE_WORKSPACE", workspace)):
        if folder is not None:
            settings[name] = str(_folder(folder))
    page = Path(__file__).with_name("app.py")
    command = [sys.executable, str(page)]
    flags = [f"--server.address={address}", f"--server.port={port}", "--browser.gatherUsageStats=false"]
    os.execve(sys.executable, command + flags, {**os.environ, **settings})


@shell.command()
def explain(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="Pictures, or folders of pictures.")],
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
    device: DeviceOption = Device.AUTO,
) -> None:
    """Explain pictures: DIR/explanations.jsonl, and an npz and a PNG per result."""
    _check_writable(out)
    from explain_core.asked import Asked, knobs_from, methods_named, pictures_in, rho_from
    from explain_core.batch import explain_files
    from explain_core.engine.library import choose_device
    from explain_core.models.zoo import load_model

    where = choose_device(device.value)
    files = pictures_in(images)
    knobs = knobs_from(methods_named(method or ()), settings or ())
    asked = Asked(knobs, target, tuple(map(rho_from, rho or ())), seed)
    with _progress(f"{len(files)} pictures, {len(knobs)} methods") as (show, say):
        loaded = load_model(model).to(where)
        if not method:
            asked = replace(asked, knobs=_applying(knobs, loaded, say))
        done = explain_files(loaded, files, asked, out, on_fault=say, on_progress=show)
    _summary(done, out)
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
    device: DeviceOption = Device.AUTO,
) -> None:
    """Run a metric or a paper's protocol; asked again after a stop, it goes on where it was."""
    _check_writable(out.parent)
    from explain_core.asked import rho_from
    from explain_core.evaluation.asked import study_asked
    from explain_core.evaluation.result import lines, results, write_result
    from explain_core.evaluation.run import run

    with _progress(name) as (show, say):
        study = study_asked(
            name, data, model or ["demo"], method or (), settings or (), rho_from(rho), n, seed, device.value
        )
        found = run(study, out.with_suffix(".run"), on_progress=show, on_fault=say)
        values = results(study, found)
        write_result(out, values)
    for line in lines(values):
        typer.echo(line)


@shell.command()
def metrics() -> None:
    """List the metrics, what they need, and their parameters."""
    from explain_core.metrics import METRICS

    for metric in METRICS.values():
        needs = f" · needs {', '.join(sorted(metric.needs))}" if metric.needs else ""
        typer.echo(f"{metric.name} · {metric.title}: {metric.summary}")
        typer.echo(
            f"    of a {metric.of}, {metric.better} is better{needs} · about {metric.cost(metric.params()):g} units "
            f"a picture besides explaining it · {metric.citation}"
        )
        _list_knobs(metric.name, metric.params)


@shell.command()
def protocols() -> None:
    """List the papers' tables and figures that can be run."""
    from explain_core.protocols import PROTOCOLS

    for protocol in PROTOCOLS.values():
        typer.echo(f"{protocol.name} · {protocol.title}: {protocol.summary}")
        typer.echo(f"    --data {protocol.data} · {protocol.n} pictures · {protocol.setting} · {protocol.citation}")
        if protocol.methods:
            typer.echo(f"    methods {', '.join(protocol.methods)}")
        _list_knobs(protocol.name, protocol.params)


@shell.command()
def methods() -> None:
    """List the methods, what they cost and their parameters."""
    from explain_core.methods import METHODS

    for method in METHODS.values():
        default = "" if method.default_rho is None else f" (default {method.default_rho:g})"
        typer.echo(f"{method.name} · {method.title}: {method.summary}")
        typer.echo(f"    rho {method.rho}{default} · about {method.cost(method.params()):g} units · {method.citation}")
        _list_knobs(method.name, method.params)


def _list_knobs(owner: str, params: type[Params]) -> None:
    from explain_core.params import knobs

    for knob in knobs(params):
        value = "auto" if knob.default is None else knob.default
        typer.echo(f"    --set {owner}.{knob.name}={value}  {knob.help}")


@shell.command()
def models() -> None:
    """List how a model is named, and the networks that are known by name."""
    from explain_core.models.zoo import FORMS, known_specs

    for form, text in FORMS.items():
        typer.echo(f"{form}  {text}")
    typer.echo(f"By name: {', '.join(known_specs())}")


@shell.command()
def bench(
    model: Model = "demo",
    size: Annotated[str, typer.Option(metavar="HxW", help="Pixels of the pictures. Default: the model's own.")] = "",
    batch: Annotated[int, typer.Option(min=1, help="Pictures in the batch.")] = 1,
    method: MethodNames = None,
    settings: Settings = None,
    rounds: Annotated[int, typer.Option(min=5, help="Turns; medians are taken over them.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    device: DeviceOption = Device.CPU,
    file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here.")] = None,
) -> None:
    """Measure what each method costs, in units of one forward + backward pass."""
    if file:
        _check_writable(file.parent)
    from explain_core import export
    from explain_core.asked import knobs_from, methods_named, size_from
    from explain_core.bench import bench, table
    from explain_core.engine.library import choose_device
    from explain_core.models.zoo import load_model

    where = choose_device(device.value)
    pixels = size_from(size) if size else None
    knobs = knobs_from(methods_named(method or ()), settings or ())
    with _progress(f"{rounds} rounds") as (show, say):
        loaded = load_model(model).to(where)
        if not method:
            knobs = _applying(knobs, loaded, say)
        report = bench(loaded, knobs, batch=batch, size=pixels, rounds=rounds, threads=threads, on_progress=show)
    typer.echo(table(report))
    if file:
        export.write(file, export.json_line(report.as_dict()).encode())


def _applying(
    knobs: Mapping[str, dict[str, Any]], model: Classifier, say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """All methods were meant, so those that cannot explain this model are left out and named, and no fault."""
    from explain_core.methods import METHODS

    why = {name: METHODS[name].cannot(model) for name in knobs}
    for name, reason in why.items():
        if reason:
            say(f"without {name}: {reason}")
    return {name: given for name, given in knobs.items() if not why[name]}


def _check_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise OutputError(f"Cannot write to --out {out}: {error.strerror}; choose a folder you may write to.") from None


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


@contextmanager
def _progress(label: str) -> Iterator[tuple[Callable[[float], None], Callable[[str], None]]]:
    """A bar on stderr where that is a terminal; gives what moves it, and what says a line above it."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=1.0)

        def show(share: float) -> None:
            progress.update(task, completed=share)

        def say(text: str) -> None:
            console.print(f"rhoscope: {_one_line(text)}", soft_wrap=True, markup=False, highlight=False)

        yield show, say


def _summary(done: Done, out: Path) -> None:
    for line in done.results:
        after = "" if line["p_target_after"] is None else f" → {line['p_target_after']:.3f}"
        rmse = "" if line["rmse"] is None else f"  rmse {line['rmse']:.4f}"
        typer.echo(
            f"{line['file'].removesuffix('.npz')}  {line['target_name']} {line['p_target_before']:.3f}{after}{rmse}"
            f"  {line['units']:.1f} units"
        )
    left_out = f"; {len(done.faults)} left out, see above" if done.faults else ""
    count = len(done.results)
    typer.echo(f"{count} result{'' if count == 1 else 's'} in {out / 'explanations.jsonl'}{left_out}")


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code: 0, 2 for what the user can mend, 1 for what we must, 130 for Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no valid text
    try:
        code = shell([text for text in given if text != "--debug"], prog_name="rhoscope", standalone_mode=False)
    except (RhoscopeError, typer.TyperException) as error:
        if debug:
            raise
        message = error.format_message() if isinstance(error, typer.TyperException) else error
        return _complain(_one_line(message), USER_FAULT)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        if debug:
            raise
        what = _one_line(f"{type(error).__name__}: {error}")
        return _complain(f"unexpected {what} (rhoscope --debug shows where)", OUR_FAULT)
    if code == INTERRUPTED:  # Typer turns Ctrl-C into a silent exit
        return _complain("interrupted; what was finished is written.", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _complain(text: str, code: int) -> int:
    print(f"rhoscope: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
