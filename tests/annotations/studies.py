"""A study's bundle on the disk, as the run that explains its cases writes it; and complete answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ARMS = ({"name": "alone", "methods": [], "output": False}, {"name": "aided", "methods": ["gradcam"], "output": True})
ELLIPSE = {"ellipse": {"cx": 40, "cy": 30, "rx": 8, "ry": 5, "angle": 0}}
MASS = {"kind": "129788004", "shape": "42700002", "margin": "129738007", "mass_density": "129744006"}
BENIGN, MALIGNANT = "397141009", "397145000"


def case(name: str, label: int | None = 0, *, practice: bool = False) -> dict[str, Any]:
    """A case of one film, 64 × 80; with a lesion around (40, 30) where its label is 1."""
    film = film_of(name)
    regions = [{"film": film, "shape": ELLIPSE}] if label else []
    truth = {} if label is None else {"label": label, "regions": regions, "why": "It was drawn so."}
    told = {"film": film, "patient": "P1", "exam": "E1", "label": "RCC", "size": [64, 80], "sha256": "0" * 64}
    return {
        "name": name, "practice": practice, "films": [{**told, "root": "bundle"}], "truth": truth,
        "output": {film: {"lesion": 0.25, "normal": 0.75}},
    }  # fmt: skip


def film_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def write_study(
    folder: Path, cases: Sequence[Mapping[str, Any]], arms: Sequence[Mapping[str, Any]] = ARMS, failed: str = ""
) -> Path:
    """The explanation of the case `failed` has none."""
    (folder / "maps").mkdir(parents=True)
    told = []
    for one in cases:
        for method in sorted({method for arm in arms for method in arm["methods"]}):
            film, row = one["films"][0]["film"], {"case": one["name"], "method": method}
            if one["name"] == failed:
                told.append({**row, "film": film, "state": "failed", "file": "", "sha256": "", "note": "It did not."})
                continue
            file, content = f"maps/{film}-{method}.npz", f"{film} {method}".encode()
            (folder / file).write_bytes(content)
            sha256 = hashlib.sha256(content).hexdigest()
            told.append({**row, "film": film, "state": "made", "file": file, "sha256": sha256, "note": ""})
    values = {"format": 1, "title": "Phantoms", "spec": {"model": "demo"}, "arms": list(arms), "cases": list(cases)}
    (folder / "study.json").write_text(json.dumps({**values, "explanations": told}))
    return folder


def answers(step: str, letters: Sequence[str] = (), *, score: float = 50, findings: Sequence[Any] = ()) -> Any:
    """A step with everything that Rhoscope's own lexicon asks."""
    about = (
        {"trust": dict.fromkeys(letters, 40)}
        if step == "unaided"
        else {"explanations": {
            letter: {"plausible": 4, "missing": [], "misleading": [], "trust": 60} for letter in letters
        }}
    )  # fmt: skip
    fields = {"density": "129717001", "assessment": MALIGNANT if score >= 50 else BENIGN}
    return {"fields": fields, "score": score, "confidence": 3, "findings": list(findings), **about}


def finding(film: str, score: float = 50, shape: Mapping[str, Any] = ELLIPSE) -> dict[str, Any]:
    return {"film": film, "shape": dict(shape), "fields": dict(MASS), "score": score, "confidence": 3}
