"""Who is explained: a model, a class, and what the model says about the picture."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Protocol

import streamlit as st

from explain_core.data.images import image_key
from explain_core.engine import ModelCard
from explain_core.errors import RhoscopeError
from explain_core.models.zoo import known_specs
from explain_core.path import ranking
from explain_core.records import Floats

if TYPE_CHECKING:  # it loads torch, which pages do not
    from explain_core.models.classifier import InputSpec

NETWORK = "network"
FAMILIES = ("torchvision/", "timm/")
FIRST_GUESSES = {"top1": "Predicted", "top2": "Runner-up"}
SAME = "same"


class Predicts(Protocol):
    """The part of the engine that knows models."""

    def open(self, spec: str, allow_code: Path | None = None) -> ModelCard: ...

    def predict(self, spec: str, pixels: Floats) -> Floats: ...


@dataclass(frozen=True)
class Subject:
    """A model looking at a picture, asked about a class.

    `pixels` (c, h, w) is what the model sees, `image` its key; `probabilities` (v,).
    """

    card: ModelCard
    pixels: Floats
    image: str
    probabilities: Floats
    target: int

    @property
    def target_name(self) -> str:
        return self.card.classes[self.target]

    @property
    def model(self) -> str:
        return short(self.card.spec)

    @property
    def title(self) -> str:
        return f"{self.model}, asked about “{self.target_name}”"


def short(spec: str) -> str:
    """A model's spec without the folders of its files; without its @, which Markdown would take for a mail address.

    A network that a run left is called by the run.
    """
    return " · ".join(part if part.startswith(FAMILIES) else _name(PurePath(part)) for part in spec.split("@"))


def _name(path: PurePath) -> str:
    return path.parent.stem if path.name == NETWORK and path.parent.name else path.name


def choose(
    engine: Predicts,
    see: Callable[[InputSpec], Floats],
    target: str = "target",
    *,
    model: str = "model",
    spec: str | None = None,
    same: str | None = None,
) -> Subject | None:
    """Asks for a model (unless its spec is given) and a class; None, with a message on the page, if it cannot be had.

    `see` makes of a picture what a model's input is; `target` and `model` are the widgets' keys; `same` is the class
    asked about above, which is offered first.
    """
    spec = spec or _ask_model(model)
    if not spec:
        return None
    try:
        with st.spinner("Opening the model …", show_time=True):
            card = engine.open(spec, code_folder())
            pixels = see(card.input)
            probabilities = engine.predict(card.spec, pixels)
    except RhoscopeError as error:
        st.error(str(error))
        return None
    return Subject(card, pixels, image_key(pixels), probabilities, _ask_target(card, probabilities, target, same))


def _ask_model(key: str) -> str | None:
    return st.selectbox(
        "Second model" if key == "model2" else "Model",
        known_specs(),
        key=key,
        accept_new_options=True,
        help="Choose one, or type a spec such as `torchvision/resnet50@weights.safetensors`.",
    )


def code_folder() -> Path | None:
    """Whose code may be run; None: nobody's."""
    folder = os.environ.get("RHOSCOPE_ALLOW_CODE")
    return Path(folder) if folder else None


def _ask_target(card: ModelCard, probabilities: Floats, key: str, same: str | None) -> int:
    guesses = dict(zip(FIRST_GUESSES, ranking(probabilities), strict=False))
    if same in card.classes:
        guesses = {SAME: card.classes.index(same), **guesses}
    titles = {SAME: "The same", **FIRST_GUESSES}
    options = [*guesses, *map(str, range(len(card.classes)))]

    def name(option: str) -> str:
        index = guesses.get(option, -1) if option in guesses else int(option)
        text = f"{card.classes[index]} · {probabilities[index]:.1%}"
        return f"{titles[option]}: {text}" if option in guesses else text

    if st.session_state.get(key) not in options:
        st.session_state[key] = "top1"
    label = "Second class to explain" if key in ("target2", "target3") else "Class to explain"
    option = st.selectbox(label, options, format_func=name, key=key, help="Type to search.")
    return guesses[option] if option in guesses else int(option)
