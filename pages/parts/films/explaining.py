"""An explanation of one film, asked of the engine and laid over the film in its own grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from explain_core import render
from explain_core.dicom.film import Film
from explain_core.engine import Job
from explain_core.films.network import Sight, handling, largest_change, sight
from explain_core.films.pyramid import MapRaster
from explain_core.films.record import Record
from explain_core.methods import METHODS
from explain_core.methods.base import Method
from explain_core.params import Params
from explain_core.path import RHO_GRID
from explain_core.records import Answer, Floats
from pages.parts import knobs, subject
from pages.parts.desk import Desk, Wish
from pages.parts.films.data import Overlay, label
from pages.parts.solver import shared_engine
from pages.parts.subject import Subject

if TYPE_CHECKING:  # it loads torch, which pages do not
    from explain_core.models.classifier import InputSpec

FIRST = "gradcam"


def explanation(films: Path, shown: Sequence[Record]) -> dict[str, list[Overlay]]:
    """The overlays of the films that are explained; asks which, and how, and waits for the engine without blocking."""
    with st.expander("Explain a film", icon=":material/network_intelligence:"):
        if not st.toggle("Ask a model about one of these films", key="review-explain"):
            if "review-desk" in st.session_state:
                st.session_state["review-desk"].want([])
            return {}
        return _asked(films, {record.film: record for record in shown})


def _asked(films: Path, shown: Mapping[str, Record]) -> dict[str, list[Overlay]]:
    engine = shared_engine()
    desk: Desk = st.session_state.setdefault("review-desk", Desk(engine))
    left, middle, right = st.columns(3)
    with left:
        name = st.selectbox(
            "Film",
            list(shown),
            format_func=lambda name: f"{label(shown[name])}, {name}",
            key=f"review-film-{min(shown)}",
        )
        film = shown[str(name)].open(films)
        sights: list[Sight] = []
        found = subject.choose(engine, lambda seen: _pixels(sights, film, seen), "review-target", model="review-model")
    if found is None:
        return {}
    with middle:
        method, params, rho = _ask_method()
    with right:
        _show_sight(sights[0], found)
    if params is None or method.name in found.card.cannot:
        st.info(found.card.cannot.get(method.name, "A setting is out of range; see the settings above."))
        return {}
    job = Job(
        model=found.card.spec, model_sha256=found.card.sha256, method=method.name, image=found.image,
        target=found.target, params=params, rho=rho, version=method.version,
    )  # fmt: skip
    desk.want([Wish(job, found.pixels)])
    st.fragment(_wait, run_every=1.0 if desk.busy else None)(desk)
    outcome = desk.outcome(job)
    if isinstance(outcome, Answer):
        _tell(film, found, outcome)
        return {str(name): [_laid_over(f"{job.key}-{name}", outcome, sights[0], method.title)]}
    if outcome is not None:
        st.error(str(outcome))
    return {}


def _pixels(sights: list[Sight], film: Film, seen: InputSpec) -> Floats:
    """What the network sees; how it came about is left in `sights`."""
    sights.append(sight(film, seen))
    return sights[-1].pixels


def _ask_method() -> tuple[Method, Params | None, float | None]:
    names = list(METHODS)
    name = st.selectbox(
        "Method", names, names.index(FIRST), format_func=lambda name: METHODS[name].title, key="review-method"
    )
    method = METHODS[str(name)]
    rho = None
    if method.rho != "none":
        rho = st.select_slider("Size of the change, ρ", RHO_GRID, 0.05, key="review-rho")
    with st.popover("Settings", width="stretch"):
        st.caption(f"{method.summary} {method.limits}")
        params = knobs.ask(method.params, f"review.{method.name}")
    return method, params, rho


def _show_sight(seen: Sight, found: Subject) -> None:
    with st.popover("What the model sees", width="stretch"):
        st.image(render.picture(seen.pixels), output_format="PNG", width=320, alt="The film as the model sees it")
        st.markdown("\n".join(f"- {line}" for line in (*seen.notes, *handling(found.card.input))))
    belief = float(found.probabilities[found.target])
    st.markdown(f"**{found.model}** says {found.target_name}: {belief:.1%}.")


def _wait(desk: Desk) -> None:
    """Looks once a second; the page is drawn again when something has come."""
    before = desk.state
    desk.poll()
    if desk.busy:
        st.progress(desk.progress, text="Solving …")
    elif desk.state != before:
        st.rerun()


def _tell(film: Film, found: Subject, answer: Answer) -> None:
    words = [answer.outcome]
    if answer.perturbed is not None:
        words.append(f"{largest_change(film, found.card.input, answer.input, answer.perturbed)}")
    st.caption(". ".join(word for word in words if word))


# Keyed by the job and the film: Streamlit would hash large arrays by a sample only.
@st.cache_resource(max_entries=8, show_spinner="Laying it over the film …")
def _laid_over(key: str, _answer: Answer, _sight: Sight, title: str) -> Overlay:
    raw, (height, width) = _answer.saliency, _sight.window.size
    scale, signed = render.scale_of(raw), render.is_signed(raw)
    levels = (np.nan_to_num(raw) / (scale or 1.0)).clip(-1, 1)
    placed = _sight.place(((levels + 1) / 2 if signed else levels).astype(np.float32), 0.5 if signed else 0.0)
    ramp = np.linspace(-1 if signed else 0, 1, 256, dtype=np.float32)
    told = f"{'; '.join(_sight.notes)}; its map is put back, bilinear, into the film's {width} × {height} pixels"
    return Overlay(
        title, MapRaster(placed.clip(0, 1)), (0.0, 0.0, float(width), float(height)), render.layer(ramp[None], 1.0)[0],
        told, signed,
    )  # fmt: skip
