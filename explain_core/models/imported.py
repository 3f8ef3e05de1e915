"""A user's own weights as a registered model: safetensors for a row of ARCHITECTURES, checked by loading them.

Nothing is known of such weights but what the user says of them, and the card tells so.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from explain_core.errors import InputError, ParamError, WeightsError, suggest
from explain_core.models.architectures import get_architecture
from explain_core.models.card import LARGEST_SIDE, Card, Handling
from explain_core.models.registry import check_name, register, registered
from explain_core.models.trained import classifier_of, write_trained
from explain_core.models.weights import weights_from
from explain_core.params import knobs

ORIGIN = "imported by a user; by whom, how and on what it was trained is not known here"
LARGEST_BYTES = 4 << 30


@dataclass(frozen=True)
class Told:
    """What a user says of the weights: the network they belong to, its classes, and how pictures go in.

    `size` is (h, w), None for any size; `mean` and `std` are per channel of pixels in [0, 1]; `kind` is
    softmax, sigmoid or binary; `views` and `greys` say how films go in, see InputSpec.
    """

    architecture: str
    knobs: Mapping[str, Any]
    classes: tuple[str, ...]
    channels: int
    size: tuple[int, int] | None
    kind: str = "softmax"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    views: str = "as stored"
    greys: str = "stored range"


def import_file(path: Path, name: str, told: Told, *, next_version: bool = False) -> int:
    """`import_weights` of a file; raises InputError where it cannot be read or is larger than 4 GiB."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise InputError(f"{path} is larger than 4 GiB; such networks are not imported.")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the path of a safetensors file.") from None
    return import_weights(content, str(path), name, told, next_version=next_version)


def import_weights(content: bytes, file: str, name: str, told: Told, *, next_version: bool = False) -> int:
    """Registers weights under a name and returns the version; `file` is what messages call them.

    A name that is taken gets another version only where `next_version` says so.  Raises ParamError for the
    name, knobs or input, WeightsError for pickles, damaged files and weights of another network.
    """
    check_name(name)
    if not next_version and any(entry.name == name for entry in registered()):
        raise ParamError(f"The name {name!r} is taken: choose another one, or say that this is its next version.")
    card, handling = _card(file, told), _handling(told)
    model = classifier_of(file, card, handling, weights_from(content, file))
    _try(file, model, told)
    with tempfile.TemporaryDirectory() as folder:
        write_trained(Path(folder) / "network", model, card)
        return register(Path(folder) / "network", name)


def _card(file: str, told: Told) -> Card:
    knobs = get_architecture(told.architecture).params.build(told.knobs).as_dict()
    extra = {"imported": True, "origin": ORIGIN, "file": Path(file).name[:100]}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Card(told.architecture, knobs, "", "", "", {}, 0, now, extra)


def _handling(told: Told) -> Handling:
    row, classes = get_architecture(told.architecture), told.classes
    if len(classes) < 2 or len(set(classes)) < len(classes) or not all(name.strip() for name in classes):
        raise ParamError(f"{len(classes)} classes: two or more different names are needed, one for each class.")
    if told.channels not in (1, 3):
        raise ParamError(f"{told.channels} channels: a network takes 1 (grey) or 3 (colour).")
    if told.size is None and row.fixed:
        raise ParamError(f"{told.architecture} takes the size it was built for and no other: give height and width.")
    if told.size is not None and not all(1 <= side <= LARGEST_SIDE for side in told.size):
        raise ParamError(f"Size {told.size}: height and width must be 1 to {LARGEST_SIDE} pixels.")
    smallest = row.smallest if told.size is None else min(told.size)
    return Handling(
        classes, told.kind, told.channels, told.size, None, smallest, told.mean, told.std,
        views=told.views, greys=told.greys,
    )  # fmt: skip


@torch.no_grad()
def _try(file: str, model: torch.nn.Module, told: Told) -> None:
    """One grey picture must come out as finite logits, one for each class."""
    side = max(get_architecture(told.architecture).smallest, 32)
    pixels = torch.full((1, told.channels, *(told.size or (side, side))), 0.5)
    logits = model(pixels)
    if not bool(logits.isfinite().all()):
        raise WeightsError(f"{file}: a grey picture gives logits that are no numbers; train or save it again.")


def knobs_from_texts(architecture: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """An architecture's knobs from texts; raises ParamError."""
    known = {knob.name: knob for knob in knobs(get_architecture(architecture).params)}
    for name in texts:
        if name not in known:
            raise ParamError(f"{architecture} has no knob {name!r}: {suggest(name, known)}")
    return {name: known[name].parse(text) for name, text in texts.items()}


def numbers_from(text: str) -> tuple[float, ...]:
    """Finite numbers with commas between them; raises ParamError."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(map(math.isfinite, numbers)):
        raise ParamError(f"{text[:60]!r}: finite numbers with commas between them are needed, such as 0.49, 0.48.")
    return numbers
