"""The picture: a phantom from the gallery, an upload, or a file of the workspace folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import streamlit as st

from explain_core import render
from explain_core.data.images import SUFFIXES, Picture, image_key, read_picture
from explain_core.data.phantom import Phantom, gallery
from explain_core.errors import RhoscopeError

ENDINGS = sorted(suffix.removeprefix(".") for suffix in SUFFIXES)
MOST_FILES = 2000
WIDEST, TALLEST = 210, 280  # screen pixels
SOURCES = {"phantom": "Phantom", "upload": "Upload", "workspace": "Workspace"}


@dataclass(frozen=True)
class Chosen:
    """A picture, a name for the download (never a file's), a description for those who cannot see it."""

    picture: Picture
    name: str
    description: str
    phantom: Phantom | None = None


def choose() -> Chosen | None:
    """Asks for a picture and shows it; None, with a message on the page, while there is none."""
    workspace = os.environ.get("RHOSCOPE_WORKSPACE")
    offered = [name for name in SOURCES if name != "workspace" or workspace]
    if st.session_state["source"] not in offered:
        st.session_state["source"] = "phantom"
    source = st.segmented_control(
        "Picture", offered, format_func=SOURCES.__getitem__, key="source", required=True, wrap=True
    )
    try:
        if source == "upload":
            return _upload()
        return _workspace(Path(workspace)) if source == "workspace" and workspace else _phantom()
    except RhoscopeError as error:
        st.error(str(error))
        return None


@st.cache_resource(show_spinner=False)
def phantoms() -> dict[str, Phantom]:
    """The gallery, drawn once for everybody."""
    return dict(gallery())


def _phantom() -> Chosen:
    names = list(phantoms())
    if st.session_state["phantom"] not in range(len(names)):
        st.session_state["phantom"] = 0
    index = st.selectbox("Phantom", range(len(names)), format_func=names.__getitem__, key="phantom")
    phantom = phantoms()[names[index]]
    pixels = render.as_pixels(phantom.pixels)
    return Chosen(
        Picture(pixels, image_key(pixels)), f"phantom-{index}", f"Synthetic mammogram: {names[index]}", phantom
    )


def _upload() -> Chosen | None:
    upload = st.file_uploader(
        "A picture: PNG, JPEG or TIFF, 8 or 16 bit", ENDINGS, key="file", help="It stays in this server's memory."
    )
    kept = st.session_state.get("decoded")
    if upload is None:
        return _kept(kept)
    if kept is None or kept[0] != upload.file_id:
        st.session_state.pop("decoded", None)
        kept = (upload.file_id, read_picture(upload.getvalue()))
        st.session_state["decoded"] = kept
    return Chosen(kept[1], "upload", "Uploaded picture")


def _kept(kept: tuple[str, Picture] | None) -> Chosen | None:
    """The picture chosen before: Streamlit forgets a file when another page is shown."""
    if kept is None:
        st.info("Choose a file above. It is read here and never written anywhere.")
        return None
    if st.button("Forget the picture", help="The one chosen before is still in this session's memory."):
        del st.session_state["decoded"]
        st.rerun()
    return Chosen(kept[1], "upload", "Uploaded picture")


def _workspace(folder: Path) -> Chosen | None:
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    names = sorted(str(path.relative_to(folder)) for path in islice(found, MOST_FILES))
    if not names:
        st.info("The workspace holds no picture yet: put PNG, JPEG or TIFF files there.")
        return None
    name = st.selectbox("File", names, key="workspace-file")
    return Chosen(read_picture(folder / name), "workspace", "Picture of the workspace")


def show(chosen: Chosen) -> None:
    """The picture as it was given, with a phantom's true lesion on request."""
    image = render.picture(chosen.picture.pixels)
    if chosen.phantom is not None and chosen.phantom.label and st.session_state.get("truth"):
        image = render.outlined(image, chosen.phantom.lesion)
    height, width = image.shape[:2]
    st.image(
        render.png(image, render.LARGEST_SIDE),
        width=max(1, min(WIDEST, TALLEST * width // height)),
        output_format="PNG",
        alt=chosen.description,
    )
    if chosen.phantom is not None and chosen.phantom.label:
        st.toggle("Outline the lesion", key="truth", help="The phantom's truth; the network never sees it.")
    for note in chosen.picture.notes:
        st.caption(note)
