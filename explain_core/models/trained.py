"""Networks trained here: a folder of weights and a card, `trained:FOLDER`; the folder is the truth.

A folder appears under its name only when it is whole, and only when what was written can be read back.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import torch
from safetensors.torch import save

from explain_core import __version__
from explain_core.errors import ModelError, OutputError, RhoscopeError, SpecError, WeightsError
from explain_core.models.architectures import get_architecture
from explain_core.models.architectures.base import Shape
from explain_core.models.card import CARD, WEIGHTS, Card, Described, Handling, card_text, check_weights, read_card
from explain_core.models.classifier import Classifier, Greys, InputSpec, Kind, Views
from explain_core.models.folders import beside, unfinished
from explain_core.models.weights import Tensors, fill, read_weights

KINDS: dict[str, Kind] = {"softmax": "softmax", "sigmoid": "sigmoid", "binary": "binary"}
VIEWS: dict[str, Views] = {"as stored": "as stored", "chest wall left": "chest wall left"}
GREYS: dict[str, Greys] = {"stored range": "stored range", "first window": "first window"}


def write_trained(folder: Path, model: Classifier, card: Card) -> Described:
    """Writes a network with its card, in the place of an earlier one in the same folder.

    Of the model its weights, classes, kind, input handling and normalisation are kept.  Raises WeightsError
    or ModelError where the card does not describe it, or for NaN among the weights, ParamError for what no
    card can hold, OutputError where the folder cannot be written or holds anything else.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.net.state_dict().items()}
    handling = Handling(
        classes=model.classes,
        kind=model.kind,
        channels=model.input.channels,
        size=model.input.size,
        resize=model.input.resize,
        smallest=model.input.smallest,
        mean=tuple(model.mean.flatten().tolist()),
        std=tuple(model.std.flatten().tolist()),
        standardise=model.standardise,
        views=model.input.views,
        greys=model.input.greys,
    )
    sha256 = model.sha256()
    if classifier_of(str(folder), card, handling, tensors).sha256() != sha256:
        raise ModelError(f"{folder}: the network is no {card.architecture} with these knobs; give its own card.")
    content = save(tensors)
    versions = {"rhoscope": __version__, "torch": torch.__version__}
    described = Described(card, handling, hashlib.sha256(content).hexdigest(), sha256, versions)
    with unfinished(folder) as made:
        (made / WEIGHTS).write_bytes(content)
        (made / CARD).write_text(card_text(described), encoding="utf-8")
        _put(made, folder)
    return read_card(folder)


def load_trained(folder: Path, spec: str | None = None) -> Classifier:
    """The classifier of a folder, on the CPU, in eval mode.

    Raises SpecError where there is no folder, WeightsError where card and weights are damaged, of another
    format, or do not belong together.
    """
    if not folder.is_dir():
        raise SpecError(f"trained:{folder}: there is no folder of that name; give the folder of a trained network.")
    described = read_card(folder)
    path = folder / WEIGHTS
    model = classifier_of(str(path), described.card, described.handling, read_weights(path))
    check_weights(folder)
    model.spec = spec or f"trained:{folder}"
    return model


def classifier_of(source: str, card: Card, handling: Handling, tensors: Tensors) -> Classifier:
    """The architecture of a card, filled; `source` is what messages call the weights.  Raises WeightsError."""
    try:
        if handling.kind not in KINDS:
            raise ModelError(f"kind {handling.kind!r}: it must be one of {', '.join(KINDS)}.")
        for name, value, known in (("views", handling.views, VIEWS), ("greys", handling.greys, GREYS)):
            if value not in known:
                raise ModelError(f"{name} {value!r}: it must be one of {', '.join(known)}.")
        kind = KINDS[handling.kind]
        row = get_architecture(card.architecture)
        size = handling.size or (max(row.smallest, handling.smallest),) * 2
        shape = Shape(handling.channels, size, 1 if kind == "binary" else len(handling.classes))
        outline = row.outline(row.params.build(card.knobs), shape)
        model = Classifier(
            outline,
            classes=handling.classes,
            kind=kind,
            input=InputSpec(
                handling.channels,
                handling.size,
                handling.resize,
                handling.smallest,
                VIEWS[handling.views],
                GREYS[handling.greys],
            ),
            mean=handling.mean,
            std=handling.std,
            standardise=handling.standardise,
        )
    except RhoscopeError as error:
        raise WeightsError(f"{source}: its card describes no network ({error})") from None
    fill(model.net, tensors, source, f"the architecture {card.architecture} with the card's knobs")
    return model.eval()


def _put(made: Path, folder: Path) -> None:
    """Renames into place; an earlier network steps aside first, and returns where that fails."""
    if not folder.exists():
        made.rename(folder)
        return
    if not folder.is_dir() or {entry.name for entry in folder.iterdir()} - {WEIGHTS, CARD}:
        raise OutputError(f"{folder} holds something else than a trained network; choose another folder.")
    earlier = folder.rename(beside(folder))
    try:
        made.rename(folder)
    except OSError:
        earlier.rename(folder)
        raise
    shutil.rmtree(earlier)
