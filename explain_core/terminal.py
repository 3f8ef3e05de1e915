"""What commands share: a bar and lines above it while they are at work, where to compute, where to write."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from explain_core.errors import InputError, OutputError


def device_named(text: str) -> str:
    """A device's name as it is; raises InputError for what is none."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", text):
        raise InputError(f"Device {text!r}: it must be auto, cpu, cuda or cuda:N.")
    return text


DeviceOption = Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]", help="Where to compute.", parser=device_named)]
MemoryOption = Annotated[
    float | None,
    typer.Option(min=0.1, max=65_536, metavar="GIB", help="Memory for it. Default: RHOSCOPE_MEMORY, or half."),
]


@contextmanager
def progress_bar(label: str) -> Iterator[tuple[Callable[[float], None], Callable[[str], None]]]:
    """A bar on stderr where that is a terminal; gives what moves it, and what says a line above it."""
    from rich.console import Console  # a tenth of a second that `--help` need not wait
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=1.0)

        def show(share: float) -> None:
            progress.update(task, completed=share)

        def say(text: str) -> None:
            console.print(f"rhoscope: {one_line(text)}", soft_wrap=True, markup=False, highlight=False)

        yield show, say


def one_line(text: object) -> str:
    return " ".join(str(text).split())


def check_writable(out: Path, option: str = "--out", mode: int = 0o777) -> None:
    """Makes the folder, with these rights; raises OutputError where nothing can be written into it."""
    try:
        out.mkdir(mode, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise OutputError(
            f"Cannot write to {option} {out}: {error.strerror}; choose a folder you may write to."
        ) from None
