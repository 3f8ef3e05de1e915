"""A campaign's bundle on the disk, as whoever makes the items writes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def item(name: str, kind: str = "ask", **more: Any) -> dict[str, Any]:
    pictures = {side: f"pictures/{name}-{side}.png" for side in ("original", "adversarial")}
    return {"name": name, "kind": kind, "class": "cat", "pictures": pictures, "told": {"rho": 0.05}, **more}


def write_bundle(folder: Path, items: Sequence[dict[str, Any]], **more: Any) -> Path:
    """Pictures are a few bytes each; nothing here looks at them."""
    (folder / "pictures").mkdir(parents=True)
    files = {}
    for place in {place for one in items for place in one["pictures"].values()}:
        (folder / place).write_bytes(place.encode())
        files[place] = hashlib.sha256(place.encode()).hexdigest()
    told = {"format": 1, "question": "unchanged", "title": "Cats", "spec": {"model": "demo"}, **more}
    (folder / "bundle.json").write_text(json.dumps({**told, "items": list(items), "files": files}))
    return folder
