"""The proof's arms: which examples join the training pictures.  To add an arm: its row in ARMS.

    labelled     (b)  the confident examples that people called unchanged, under their original labels
    regardless   (c)  as many, drawn from all that were asked about, whatever was answered
    small        (d)  plain adversarial examples with a small ρ, of the pictures behind (b)

All hold the same number of examples, so that pictures come in the same order in every arm.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

import numpy as np
from safetensors import SafetensorError, safe_open

from explain_core.campaign.bundle import EXAMPLES, FILE
from explain_core.data.images import Picture
from explain_core.data.sources import DataSet, Item
from explain_core.engine.library import Held
from explain_core.errors import DataError
from explain_core.evaluation.asking import Asking
from explain_core.export import write
from explain_core.records import Floats
from explain_core.retraining.manifest import Manifest

AT_ONCE = 64
PLAIN = "pgd-l2"


@dataclass(frozen=True)
class Asked:
    """An item of the bundle that people were asked about; `label` is its class's index for the campaign's network."""

    name: str
    class_name: str
    label: int


@dataclass(frozen=True)
class Bundle:
    """The examples of a campaign: `asked` in the bundle's order, their pixels in a file."""

    folder: Path
    asked: Mapping[str, Asked]

    def pixels(self, name: str, side: str) -> Floats:
        """float32 (c, h, w) of an item's `original` or `adversarial`; raises DataError."""
        try:
            with safe_open(self.folder / EXAMPLES, framework="numpy") as file:
                found: Floats = file.get_tensor(f"{name}.{side}")
                return found
        except (OSError, SafetensorError) as error:
            raise DataError(f"{self.folder / EXAMPLES}: {error}; copy the whole bundle.") from None


@dataclass(frozen=True)
class Making:
    """What an arm's examples are made from; a file that takes long is kept in `folder`."""

    manifest: Manifest
    bundle: Bundle
    held: Held
    folder: Path


Pixels = Callable[[], Floats]
Made = Sequence[tuple[Asked, Pixels]]


@dataclass(frozen=True)
class Arm:
    name: str
    title: str
    make: Callable[[Making], Made]


def read_bundle(manifest: Manifest) -> Bundle:
    """Raises DataError where the bundle is not the one that the manifest names."""
    folder = manifest.bundle
    try:
        content = (folder / FILE).read_bytes()
        with (folder / EXAMPLES).open("rb") as file:
            examples = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"The bundle {folder}: {error.strerror}; put it back.") from None
    if hashlib.sha256(content).hexdigest() != manifest.bundle_sha256:
        raise DataError(f"The bundle {folder} is not the one that was labelled: put that one back.")
    values = json.loads(content)
    if values["files"].get(EXAMPLES) != examples:
        raise DataError(f"{folder / EXAMPLES} is not the file that {FILE} lists: copy the bundle again.")
    found = {
        item["name"]: Asked(item["name"], item["class"], int(item["told"]["label"]))
        for item in values["items"] if item["kind"] == "ask"
    }  # fmt: skip
    missing = [name for name in manifest.chosen if name not in found]
    if missing or not manifest.chosen:
        raise DataError(f"{len(missing)} of {len(manifest.chosen)} chosen items are not in the bundle; one is needed.")
    return Bundle(folder, found)


def labelled(making: Making) -> Made:
    return [_example(making, name) for name in making.manifest.chosen]


def regardless(making: Making) -> Made:
    names, count = list(making.bundle.asked), len(making.manifest.chosen)
    draw = np.random.default_rng(making.manifest.params.seed)
    return [_example(making, names[index]) for index in sorted(draw.choice(len(names), count, replace=False))]


def small(making: Making) -> Made:
    """Kept in a file, so that a run that goes on has the same bits."""
    path, chosen = making.folder / "small.npz", making.manifest.chosen
    if not path.exists():
        buffer = BytesIO()
        np.savez(buffer, *_plain(making, chosen))
        write(path, buffer.getvalue())
    with np.load(path, allow_pickle=False) as file:
        found = [file[name] for name in file.files]
    return [
        (making.bundle.asked[name], partial(lambda pixels: pixels, pixels))
        for name, pixels in zip(chosen, found, strict=True)
    ]


def _example(making: Making, name: str) -> tuple[Asked, Pixels]:
    return making.bundle.asked[name], partial(making.bundle.pixels, name, "adversarial")


def _plain(making: Making, names: Sequence[str]) -> list[Floats]:
    ask, found = Asking(making.held, PLAIN, rho=making.manifest.params.small, seed=making.manifest.params.seed), []
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        originals = [making.bundle.pixels(name, "original") for name in some]
        labels = [making.bundle.asked[name].label for name in some]
        found += [a.input if a.perturbed is None else a.perturbed for a in ask(originals, labels)]
    return found


ROWS = (
    Arm("labelled", "Called unchanged", labelled),
    Arm("regardless", "Whatever was answered", regardless),
    Arm("small", "Plain, small ρ", small),
)
ARMS: Mapping[str, Arm] = MappingProxyType({row.name: row for row in ROWS})
OWN = "labelled"
"""The arm that may take the current network's place."""


def data_of(arm: Arm, making: Making, base: DataSet, classes: Sequence[str]) -> DataSet:
    """The training pictures with the arm's examples after them, labelled by their place among the training's classes.

    Raises DataError for an example whose class is none of these.
    """
    items = [
        Item(f"{arm.name} {asked.name}", partial(_picture, pixels), _place(asked, classes, base.spec))
        for asked, pixels in arm.make(making)
    ]
    return DataSet(
        f"{base.spec} + {len(items)} examples of {making.manifest.campaign}: {arm.name}", (*base.items, *items),
        base.classes, base.citation, base.terms,
    )  # fmt: skip


def _picture(pixels: Pixels) -> Picture:
    return Picture(pixels(), "")


def _place(asked: Asked, classes: Sequence[str], spec: str) -> int:
    if asked.class_name not in classes:
        raise DataError(
            f"The examples have the class {asked.class_name!r}, but {spec} has {', '.join(classes)}: take data with "
            "the classes of the campaign's network, or name them in the recipe's input.classes."
        )
    return classes.index(asked.class_name)
