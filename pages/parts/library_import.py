"""A user's own weights: what network they belong to, how pictures go in, and what its logits mean."""

from __future__ import annotations

import streamlit as st

from explain_core.errors import RhoscopeError
from explain_core.models.architectures import ARCHITECTURES
from explain_core.models.architectures.base import Architecture
from explain_core.models.imported import Told, import_weights, numbers_from
from explain_core.params import Params
from explain_core.params import knobs as knobs_of
from pages.parts import knobs, library_models
from pages.parts.library_rows import done

WIDE = 172
LARGEST_MB = 200
ENDINGS = ("safetensors", "pt", "pth", "bin", "ckpt")
"""Pickles are taken too, in order to say why they are not read, and how to convert them."""
COLOURS = {3: "colour", 1: "grey"}
KINDS = {"softmax": "one class of several", "sigmoid": "several at once", "binary": "one logit, two classes"}


def ask() -> None:
    """The form; weights are checked by loading them before anything is kept."""
    st.caption(
        "Weights in the safetensors format, for one of the networks that can be trained here. They are loaded and "
        "tried before anything is kept; the card will say that nobody knows how they were trained."
    )
    upload = st.file_uploader("Weights", ENDINGS, key="library-weights", max_upload_size=LARGEST_MB)
    name = st.text_input("Name", key="library-name", placeholder="letters, digits and dashes", width=360).strip()
    again = st.checkbox("The next version of a name that there is", key="library-next")
    left, right = st.columns(2, gap="medium")
    with left:
        row, params = _network()
    with right:
        told = _handling(row, params)
    if st.button("Import", type="primary", icon=":material/upload:", disabled=not (upload and name)) and upload:
        try:
            if params is None or told is None:
                return
            with st.spinner("Loading and trying it …"):
                version = import_weights(upload.getvalue(), upload.name, name, told, next_version=again)
        except RhoscopeError as error:
            st.error(str(error))
            return
        st.session_state[library_models.CHOSEN] = f"{name}@{version}"
        done(f"It is `registry/{name}@{version}` from now on: see Models.")


def _network() -> tuple[Architecture, Params | None]:
    chosen = st.selectbox(
        "Network", list(ARCHITECTURES), format_func=lambda name: f"{ARCHITECTURES[name].title} ({name})",
        key="library-network",
    )  # fmt: skip
    row = ARCHITECTURES[str(chosen)]
    st.caption(f"{row.summary} {row.citation}")
    if not knobs_of(row.params):
        st.caption("It has no settings.")
    return row, knobs.ask(row.params, f"library.network.{row.name}", WIDE)


def _handling(row: Architecture, params: Params | None) -> Told | None:
    classes = st.text_input(
        "Classes", key="library-classes", placeholder="normal, lesion", help="In the order of the logits, with commas."
    )
    kind = str(
        st.selectbox("Output", list(KINDS), format_func=lambda kind: f"{kind}: {KINDS[kind]}", key="library-kind")
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        channels = st.selectbox(
            "Colours", list(COLOURS), format_func=COLOURS.__getitem__, key="library-colours", width=WIDE
        )
        free = not row.fixed and st.checkbox("Any size", key="library-any", width=WIDE)
        height = st.number_input("Picture height", 1, 65_536, 32, key="library-height", disabled=free, width=WIDE)
        width = st.number_input("Picture width", 1, 65_536, 32, key="library-width", disabled=free, width=WIDE)
        mean = st.text_input("Mean", "0", key="library-mean", help="By channel, of pixels in 0 … 1.", width=WIDE)
        std = st.text_input("Deviation", "1", key="library-std", help="By channel, of pixels in 0 … 1.", width=WIDE)
    try:
        means, deviations = numbers_from(mean), numbers_from(std)
    except RhoscopeError as error:
        st.error(str(error))
        return None
    names = tuple(text.strip() for text in classes.split(","))
    size = None if free else (int(height), int(width))
    values = params.as_dict() if params else {}
    return Told(row.name, values, names, channels, size, str(kind), means, deviations)
