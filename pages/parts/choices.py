"""What stands above each column: the method, its settings, its view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from explain_core.engine import Job
from explain_core.methods import METHODS
from explain_core.methods.base import Method
from explain_core.params import Params
from explain_core.path import RHO_GRID
from pages.parts import knobs
from pages.parts.desk import Wish
from pages.parts.pace import Pace, passes
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
    name = st.selectbox(
        f"Method {number + 1}",
        list(METHODS),
        format_func=lambda name: f"{METHODS[name].title} ({passes(cost_of(METHODS[name]))})",
        key=key,
        label_visibility="collapsed",
    )
    method = METHODS[name]
    with st.popover("Settings", help=f"Of panel {number + 1}, {method.title}", width="stretch"):
        choice = _settings(number, method, view)
    st.caption(method.summary)
    return choice


def _settings(number: int, method: Method, view: str) -> Choice:
    st.markdown(f"**{method.title}.** {method.summary}")
    own = st.selectbox(
        "View of this panel", ["same", *VIEWS], format_func={"same": "As chosen above", **VIEWS}.__getitem__,
        key=f"view{number}",
    )  # fmt: skip
    bounded, prefix = method.rho != "none", _prefix(number, method)
    if method.rho == "optional":
        bounded = not st.toggle("The paper's own form, without ρ", key=f"{prefix}.unbounded", persist_state="session")
    st.button("Defaults", key=f"{prefix}.reset", on_click=knobs.reset, args=(method.params, prefix))
    params = knobs.ask(method.params, prefix)
    st.caption(f"{method.citation} {method.limits}")
    return Choice(number, method, params, view if own == "same" else own, bounded)


def cost_of(method: Method) -> float:
    """Passes of one ρ with the defaults."""
    return method.cost(method.params())


def differing(choices: Iterable[Choice]) -> dict[str, str]:
    """What differs from the defaults in every column, as texts for the address."""
    found: dict[str, str] = {}
    for choice in choices:
        prefix = _prefix(choice.number, choice.method)
        if choice.method.rho == "optional" and not choice.bounded:
            found[f"{prefix}.unbounded"] = "1"
        if choice.params is not None:
            found |= knobs.differing(choice.params, prefix)
    return found


def put(texts: Mapping[str, str]) -> None:
    """Sets the columns' settings from such texts; what is no setting of a column's method is passed over."""
    for number in range(COLUMNS):
        method = METHODS[st.session_state[f"method{number}"]]
        prefix = _prefix(number, method)
        if method.rho == "optional" and texts.get(f"{prefix}.unbounded") == "1":
            st.session_state[f"{prefix}.unbounded"] = True
        knobs.put(method.params, prefix, texts)


def _prefix(number: int, method: Method) -> str:
    return f"{number}.{method.name}"


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

    def at(self, rho: float) -> Job | None:
        """The job at a value of the grid."""
        return self.jobs[RHO_GRID.index(rho)] if self.jobs else None

    def wishes(self, rho: float) -> list[Wish]:
        """What needs no ρ first, then the current ρ, then the rest of the path."""
        first = self.at(rho)
        wanted = dict.fromkeys(self.jobs)
        return [Wish(job, self.subject.pixels, 0 if job == first else 1) for job in wanted]

    def seconds(self, jobs: int, pace: Pace) -> float | None:
        """Expected for so many of its jobs; None while nothing is known of the model's pace."""
        if self.choice.params is None:
            return None
        method, subject = self.choice.method, self.subject
        cost = jobs * method.cost(self.choice.params)
        return pace.seconds(subject.card.sha256, method.name, cost, subject.pixels.shape)


def labels(asked: Sequence[Panel]) -> dict[int, str]:
    """What each panel is called, by number; a method that two columns show is told apart by its column."""
    times = Counter(panel.label for panel in asked)
    return {
        panel.number: panel.label if times[panel.label] == 1 else f"{panel.label}, column {panel.choice.number + 1}"
        for panel in asked
    }


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
