"""What stands above each column: the method, its settings, its view."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from explain_core.engine import Job
from explain_core.methods import METHODS
from explain_core.methods.base import Method
from explain_core.params import Params
from explain_core.path import RHO_GRID
from pages.parts import knobs
from pages.parts.desk import Wish
from pages.parts.subject import Subject

VIEWS = {
    "overlay": "Overlay",
    "saliency": "Saliency",
    "perturbed": "Changed picture",
    "difference": "Difference",
    "mask": "Mask",
}
COLUMNS = 4


@dataclass(frozen=True)
class Choice:
    """One column: a method with its parameters (None while they have a fault) and its view.

    `bounded` is False where the method runs in its paper's own form, without ρ.
    """

    number: int
    method: Method
    params: Params | None
    view: str
    bounded: bool


def ask(number: int, view: str) -> Choice:
    """The widgets of one column."""
    key = f"method{number}"
    with st.container(horizontal=True, gap="small"):
        name = st.selectbox(
            f"Method {number + 1}",
            list(METHODS),
            format_func=lambda name: METHODS[name].title,
            key=key,
            label_visibility="collapsed",
            width="stretch",
        )
        method = METHODS[name]
        with st.popover("Settings", help=f"Of panel {number + 1}, {method.title}"):
            return _settings(number, method, view)


def _settings(number: int, method: Method, view: str) -> Choice:
    st.markdown(f"**{method.title}.** {method.summary}")
    own = st.selectbox(
        "View of this panel", ["same", *VIEWS], format_func={"same": "As chosen above", **VIEWS}.__getitem__,
        key=f"view{number}",
    )  # fmt: skip
    bounded = method.rho != "none"
    if method.rho == "optional":
        bounded = not st.toggle("The paper's own form, without ρ", key=f"{number}.{method.name}.unbounded")
    prefix = f"{number}.{method.name}"
    st.button("Defaults", key=f"{prefix}.reset", on_click=knobs.reset, args=(method.params, prefix))
    params = knobs.ask(method.params, prefix)
    st.caption(f"{method.citation} {method.limits}")
    return Choice(number, method, params, view if own == "same" else own, bounded)


@dataclass(frozen=True)
class Panel:
    """A choice applied to a subject; `jobs` holds one job per value of the grid, the same one where ρ plays no part.

    `obstacle` says why there is none.
    """

    choice: Choice
    subject: Subject
    row: int
    jobs: tuple[Job, ...] = ()
    obstacle: str | None = None

    @property
    def label(self) -> str:
        """Its name in the figure below."""
        title = self.choice.method.title
        return title if self.row == 0 else f"{title}, second row"

    @property
    def number(self) -> int:
        return self.row * COLUMNS + self.choice.number

    def wishes(self, rho: float) -> list[Wish]:
        """What needs no ρ first, then the current ρ, then the rest of the path."""
        first = self.jobs[RHO_GRID.index(rho)] if self.jobs else None
        wanted = dict.fromkeys(self.jobs)
        return [Wish(job, self.subject.pixels, 0 if job == first else 1) for job in wanted]


def panel(choice: Choice, subject: Subject, row: int) -> Panel:
    """The jobs of one panel, or what stands in their way."""
    obstacle = subject.card.cannot.get(choice.method.name)
    if obstacle is None and choice.params is None:
        obstacle = "A setting is out of range; see the settings above."
    if obstacle is not None or choice.params is None:
        return Panel(choice, subject, row, obstacle=obstacle)
    jobs = tuple(_job(choice.method, choice.params, subject, rho if choice.bounded else None) for rho in RHO_GRID)
    return Panel(choice, subject, row, jobs)


def _job(method: Method, params: Params, subject: Subject, rho: float | None) -> Job:
    return Job(
        model=subject.card.spec,
        model_sha256=subject.card.sha256,
        method=method.name,
        image=subject.image,
        target=subject.target,
        params=params,
        rho=rho,
        version=method.version,
    )
