"""Answers as files: one npz and one PNG each, and a line of JSON that says where they come from.

    DIR/explanations.jsonl              a line per picture, method and ρ
    DIR/<stem>/<method>[@<rho>].npz     input, saliency, perturbed, mask
    DIR/<stem>/<method>[@<rho>].png     the same to look at

Everything is written to a temporary name and renamed, so whoever reads never meets half a file.
The page's download is a zip of the same files.
"""

from __future__ import annotations

import io
import itertools
import json
import math
import os
import re
import time
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from explain_core import render
from explain_core.errors import OutputError
from explain_core.records import Answer, Floats

LEDGER = "explanations.jsonl"
_serial = itertools.count()


def rho_text(rho: float) -> str:
    """ρ as it stands in a file name: exact, with three decimals at least.

    >>> rho_text(0.05), rho_text(0.0005), rho_text(1e-05)
    ('0.050', '0.0005', '0.00001')
    """
    text = format(Decimal(repr(float(rho))), "f")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<3}"


def file_name(answer: Answer) -> str:
    """`ape@0.050`, or `gradcam` where there is no ρ."""
    origin = answer.provenance
    return origin.method if origin.rho is None else f"{origin.method}@{rho_text(origin.rho)}"


def folder_name(stem: str, taken: Iterable[str]) -> str:
    """A folder for one picture: its stem, made safe, numbered where another picture has it already."""
    base = re.sub(r"[^\w.\- ]", "_", stem).strip(". ") or "picture"
    return _unused(base, {name.casefold() for name in (*taken, LEDGER)})


def _unused(base: str, taken: set[str]) -> str:
    name, number = base, 2
    while name.casefold() in taken:
        name, number = f"{base}-{number}", number + 1
    return name


def record(
    answer: Answer,
    *,
    image: str,
    file: str,
    classes: Sequence[str] = (),
    image_sha256: str | None = None,
    seen: Mapping[str, Any] | None = None,
    change: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One line of `explanations.jsonl`, in plain values; a figure that is not finite becomes null.

    `image_sha256` is that of the file's bytes where there is a file; otherwise of the pixels.  `seen` is the part
    of the picture that the network saw, `change` the largest one in a film's grey levels, where they are known.
    """
    origin = answer.provenance
    line = {
        "image": image,
        "image_sha256": image_sha256 or origin.image_sha256,
        "model": origin.model,
        "model_sha256": origin.model_sha256,
        "method": origin.method,
        "rho": origin.rho,
        "target": origin.target,
        "target_name": origin.target_name,
        "params": dict(origin.params),
        "seed": origin.seed,
        "top5_before": top(answer.before, classes),
        "top5_after": None if answer.after is None else top(answer.after, classes),
        "p_target_before": answer.p_before,
        "p_target_after": answer.p_after,
        "rmse": answer.rmse,
        "outcome": answer.outcome,
        "seconds": origin.seconds,
        "units": origin.units,
        "numbers": dict(answer.numbers),
        "file": file,
        "device": origin.device,
        "method_version": origin.method_version,
        "chunk": list(origin.chunk),
        "drops": [list(drop) for drop in origin.drops],
        "versions": dict(origin.versions),
        **({} if seen is None else {"seen": seen}),
        **({} if change is None else {"largest_change": change}),
    }
    return {name: plain(value) for name, value in line.items()}


def top(probabilities: Floats, classes: Sequence[str] = (), count: int = 5) -> list[tuple[str | int, float]]:
    """The most probable classes, (name or index, p), highest first."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    return [(classes[i] if classes else int(i), float(probabilities[i])) for i in order]


def plain(value: Any) -> Any:
    """Values that JSON knows; a figure that is not finite becomes null."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def json_line(values: Mapping[str, Any]) -> str:
    return json.dumps(values, allow_nan=False) + "\n"


def npz(answer: Answer) -> bytes:
    """`input`, `saliency`, and `perturbed` and `mask` where there are any, as in `Answer`."""
    arrays: dict[str, Any] = {
        "input": answer.input,
        "saliency": answer.saliency,
        "perturbed": answer.perturbed,
        "mask": answer.mask,
    }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{name: array for name, array in arrays.items() if array is not None})
    return buffer.getvalue()


def png(answer: Answer) -> bytes:
    """The saliency over the input and, where there is one, the perturbed picture to its right."""
    pictures = [render.overlay(answer)]
    if answer.perturbed is not None:
        pictures.append(render.picture(answer.perturbed))
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(pictures, axis=1)).save(buffer, format="PNG")
    return buffer.getvalue()


def write_answer(out: Path, folder: str, answer: Answer) -> Path:
    """Writes `out/folder/<name>.npz` and its PNG; returns the npz relative to `out`.

    Raises OutputError where the files cannot be written.
    """
    relative = Path(folder) / f"{file_name(answer)}.npz"
    write(out / relative.with_name(f"{file_name(answer)}.png"), png(answer))
    write(out / relative, npz(answer))
    return relative


def bundle(answers: Iterable[Answer], *, image: str, classes: Sequence[str] = ()) -> bytes:
    """A zip of what `write_answer` writes, with its `explanations.jsonl`; equal names are numbered."""
    buffer, lines = io.BytesIO(), []
    taken: set[str] = set()
    folder = folder_name(Path(image).stem, ())
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for answer in answers:
            name = _unused(file_name(answer), taken)
            taken.add(name.casefold())
            archive.writestr(f"{folder}/{name}.npz", npz(answer))
            archive.writestr(f"{folder}/{name}.png", png(answer), zipfile.ZIP_STORED)
            lines.append(json_line(record(answer, image=image, file=f"{folder}/{name}.npz", classes=classes)))
        archive.writestr(LEDGER, "".join(lines))
    return buffer.getvalue()


def write(path: Path, content: bytes) -> None:
    """Writes under a temporary name in the same folder, then renames; raises OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".{os.getpid()}-{next(_serial)}.part"
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror}; choose a folder that you may write to.") from None


class Ledger:
    """`explanations.jsonl` of one folder: a line per file, a later line in the place of an earlier one.

    The whole file is renamed into place each time, so that it never ends in half a line.  Saving
    takes at most a twentieth of the time; what a kill loses is lines, and the work of seconds.

    Raises OutputError where the folder cannot be written, or holds a ledger that is not ours.
    """

    def __init__(self, out: Path) -> None:
        self.path = out / LEDGER
        self._lines = self._read()
        self._due = 0.0
        self.save()

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            text = self.path.read_text(encoding="utf-8")
            return {line["file"]: line for line in map(json.loads, text.split("\n")[:-1])}
        except FileNotFoundError:
            return {}
        except (KeyError, TypeError, ValueError):
            raise OutputError(f"{self.path} is no list of explanations; choose another --out.") from None
        except OSError as error:
            raise OutputError(f"Cannot write {self.path.parent}: {error.strerror}; choose another --out.") from None

    def folders(self) -> dict[str, str]:
        """Which picture (SHA-256) each folder belongs to."""
        return {line["file"].partition("/")[0]: line.get("image_sha256", "") for line in self._lines.values()}

    def add(self, line: Mapping[str, Any]) -> None:
        self._lines[line["file"]] = dict(line)
        if time.monotonic() >= self._due:
            self.save()

    def save(self) -> None:
        start = time.monotonic()
        write(self.path, "".join(map(json_line, self._lines.values())).encode())
        end = time.monotonic()
        self._due = end + 20 * (end - start)
