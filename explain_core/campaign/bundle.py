"""A bundle written: what the label store reads (`annotations/bundle.py`), and what retraining reads.

bundle.json            items in their order, and the SHA-256 of every picture
pictures/*.png         8 bits, for the eye
examples.safetensors   float32 by NAME.original (c, h, w) and what is asked about: NAME.adversarial (c, h, w), for
                       training; or maps (h, w) as NAME.explanation, or NAME.left and NAME.right
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from explain_core import __version__, render
from explain_core.models.folders import unfinished
from explain_core.records import Floats
from explain_core.render import Picture

FILE, FORMAT, EXAMPLES = "bundle.json", 1, "examples.safetensors"


@dataclass(frozen=True, eq=False)
class Example:
    """A picture (c, h, w) in [0, 1], the changed one beside it, the class's name, and where both come from."""

    original: Floats
    adversarial: Floats
    class_name: str
    told: Mapping[str, Any]

    @property
    def arrays(self) -> dict[str, Floats]:
        return {"original": self.original, "adversarial": self.adversarial}

    @property
    def pictures(self) -> dict[str, Picture]:
        """uint8 (h, w, 3), for the eye."""
        return {name: render.picture(pixels) for name, pixels in self.arrays.items()}


@dataclass(frozen=True, eq=False)
class Explained:
    """A picture (c, h, w) in [0, 1], maps (h, w) of it by the names under which they are shown, and as above."""

    original: Floats
    maps: Mapping[str, Floats]
    class_name: str
    told: Mapping[str, Any]

    @property
    def arrays(self) -> dict[str, Floats]:
        return {"original": self.original, **self.maps}

    @property
    def pictures(self) -> dict[str, Picture]:
        """uint8 (h, w, 3): maps by their size alone, in one scale of colours, so that none tells who drew it."""
        over = {name: render.laid_over(self.original, np.abs(saliency)) for name, saliency in self.maps.items()}
        return {"original": render.picture(self.original), **over}


@dataclass(frozen=True, eq=False)
class Item:
    """`kind` is ask, gold, repeat or practice; gold and practice have a `truth`, a repeat the name of its own item."""

    name: str
    kind: str
    example: Example | Explained
    truth: str | None = None
    repeats: str | None = None


def write_bundle(folder: Path, items: Sequence[Item], *, question: str, title: str, spec: Mapping[str, Any]) -> None:
    """Writes the folder, which is not there yet, and appears when it is whole; raises OutputError."""
    with unfinished(folder) as made:
        (made / "pictures").mkdir()
        files: dict[str, str] = {}
        told = [_told(made, item, files) for item in items]
        arrays = {
            f"{item.name}.{name}": np.ascontiguousarray(values, np.float32)
            for item in items if item.kind == "ask" for name, values in item.example.arrays.items()
        }  # fmt: skip
        content = save(arrays)
        files[EXAMPLES] = hashlib.sha256(content).hexdigest()
        (made / EXAMPLES).write_bytes(content)
        values = {"format": FORMAT, "question": question, "title": title, "rhoscope": __version__, "spec": dict(spec),
                  "items": told, "files": files}  # fmt: skip
        (made / FILE).write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        made.rename(folder)


def _told(folder: Path, item: Item, files: dict[str, str]) -> dict[str, Any]:
    """An item of bundle.json; its pictures are written, those of a repeat once more under a name of its own."""
    places = {}
    for side, picture in item.example.pictures.items():
        place = f"pictures/{item.name}-{side}.png"
        content = render.png(picture)
        (folder / place).write_bytes(content)
        files[place], places[side] = hashlib.sha256(content).hexdigest(), place
    return {
        "name": item.name, "kind": item.kind, "class": item.example.class_name, "truth": item.truth,
        "repeats": item.repeats, "pictures": places, "told": dict(item.example.told),
    }  # fmt: skip
