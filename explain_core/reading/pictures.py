"""Films that readers have labelled as a data set: `csv:FOLDER/labels.csv`, with pictures of 16 bits beside it.

A picture holds what a network sees of a film by itself: stored values over the bit depth, bright is dense, no window,
turned as stored.  Patients stay together in splits.  Nothing in reads.json is believed unseen, and a film whose pixels
are not those that were read is no part of any set.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from explain_core.dicom.film import Film, unit
from explain_core.errors import DataError, InputError
from explain_core.export import write
from explain_core.films.record import pixel_hash, read
from explain_core.formats import read_values

FILE, FORMAT, TABLE, FILMS = "reads.json", 1, "labels.csv", "films"
NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
WHITE = (1 << 16) - 1


def make(folder: Path, films: Path, *, on_progress: Callable[[float], None] = lambda _: None) -> Path:
    """The table, written last; `films` is the workspace's.  The same again writes the same.

    Raises InputError for a reads.json that is none, DataError for a film that is gone or another, OutputError.
    """
    values, _ = read_values(folder / FILE, FORMAT, "the folder that `rhoscope study labels` wrote", fault)
    try:
        roots = {"bundle": Path(values["bundle"]) / FILMS, "workspace": films}
        classes = {number: str(name) for number, name in enumerate(values["classes"])}
        rows = [(row, classes[row["label"]]) for case in values["cases"] for row in case["films"]]
        found = [(_checked(row), label, roots[row["root"]]) for row, label in rows]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise fault(folder / FILE, "a part of it is missing or of another kind") from None
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(["file", "label", "name", "patient"])
    for number, (name, label, patient, picture) in enumerate(_pictures(found), 1):
        write(folder / FILMS / f"{name}.png", picture)
        table.writerow([f"{FILMS}/{name}.png", label, name, patient])
        on_progress(number / len(found))
    write(folder / TABLE, buffer.getvalue().encode())
    return folder / TABLE


def _pictures(found: Sequence[tuple[Mapping[str, str], str, Path]]) -> Iterator[tuple[str, str, str, bytes]]:
    for row, label, root in found:
        film = read(root / row["patient"] / row["exam"] / f"{row['film']}.json").open(root)
        if pixel_hash(film.stored) != row["sha256"]:
            raise DataError(f"Film {row['film']} is not the one that was read: put that one back, or label again.")
        yield row["film"], label, row["patient"], _png(film)


def _png(film: Film) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.rint(unit(film) * WHITE).astype(np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


def _checked(row: Mapping[str, Any]) -> dict[str, str]:
    told = {part: str(row[part]) for part in ("film", "patient", "exam", "sha256")}
    if not all(NAME.fullmatch(text) for text in told.values()):
        raise ValueError
    return told


def fault(path: Path, why: str) -> InputError:
    """Of a reads.json that is none."""
    return InputError(f"{path}: {why}; freeze the labels again.")
