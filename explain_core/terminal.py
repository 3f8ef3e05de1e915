"""What a command shows while it is at work: a bar, and lines above it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


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
