"""A campaign's bundle on the disk, as whoever makes the items writes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from annotations.questions import get_question


def item(name: str, kind: str = "ask", question: str = "unchanged", **more: Any) -> dict[str, Any]:
    pictures = {side: f"pictures/{name}-{side}.png" for side, _ in get_question(question).pictures}
    return {"name": name, "kind": kind, "class": "cat", "pictures": pictures, "told": {"rho": 0.05}, **more}


def picture(place: str) -> bytes:
    """A PNG of 32 × 24 that is like no other."""
    draw, buffer = np.random.default_rng(list(place.encode())), BytesIO()
    Image.fromarray(draw.integers(0, 256, (24, 32, 3)).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write_bundle(folder: Path, items: Sequence[dict[str, Any]], *, png: bool = False, **more: Any) -> Path:
    """Pictures are a few bytes each, unless somebody is to look at them."""
    (folder / "pictures").mkdir(parents=True)
    files = {}
    for place in {place for one in items for place in one["pictures"].values()}:
        content = picture(place) if png else place.encode()
        (folder / place).write_bytes(content)
        files[place] = hashlib.sha256(content).hexdigest()
    told = {"format": 1, "question": "unchanged", "title": "Cats", "spec": {"model": "demo"}, **more}
    (folder / "bundle.json").write_text(json.dumps({**told, "items": list(items), "files": files}))
    return folder
