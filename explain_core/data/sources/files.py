"""Finding and reading the files of a data set: every mistake is a DataError that says what to do."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from explain_core.data.annotation import Bits
from explain_core.data.images import FORMATS, SUFFIXES, Picture, read_picture
from explain_core.data.sources.base import Item
from explain_core.errors import DataError, ImageError

Row = Mapping[str, str]


def folder_at(spec: str, text: str) -> Path:
    """The folder that a spec names; raises DataError."""
    path = Path(text).expanduser()
    if not text or not path.is_dir():
        raise DataError(f"{spec}: there is no such folder; give the path of one.")
    return path


def file_at(spec: str, text: str) -> Path:
    """The file that a spec names; raises DataError."""
    path = Path(text).expanduser()
    if not text or not path.is_file():
        raise DataError(f"{spec}: there is no such file; give the path of one.")
    return path


def beneath(folder: Path, relative: str) -> Path:
    """A file of a folder, named inside of it; raises DataError where the name leads out of the folder."""
    path = folder / relative
    try:
        inside = bool(relative) and path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):  # a name that no file can have
        inside = False
    if not inside:
        raise DataError(f"{relative!r} leads out of the data set's folder; write paths relative to it.")
    return path


def pictures_in(folder: Path, pattern: str = "*") -> list[Path]:
    """Picture files of a folder (`pattern` "**/*": and all below), sorted; hidden ones are passed over."""
    found = (path for path in folder.glob(pattern) if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def bytes_of(path: Path) -> int:
    """A file's size; 0 where there is none, which reading it will tell."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def size_of(path: Path) -> tuple[int, int]:
    """Height and width of a picture as it will be read, from its header alone; raises ImageError."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    except Exception as error:  # decoders raise whatever a damaged file makes them trip over
        raise ImageError(
            f"The picture's size cannot be read ({type(error).__name__}): save or copy it again."
        ) from None
    return (width, height) if turned else (height, width)


def mask_at(path: Path) -> Bits:
    """What is marked in a picture of a mask: every pixel (h, w) that is not black."""
    marked: Bits = np.any(read_picture(path).pixels > 0, axis=0)
    return marked


def hidden(relative: str) -> str:
    """A name for a file whose own may tell about a patient: the first digits of the SHA-256 of its relative path."""
    return hashlib.sha256(Path(relative).as_posix().encode()).hexdigest()[:12]


def picture_of(values: NDArray[np.uint8 | np.uint16]) -> Picture:
    """A picture out of (h, w) or (h, w, c) whole numbers, of which the largest that fits is white."""
    planes = values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)
    pixels = np.ascontiguousarray(planes, dtype=np.float32) / np.float32(np.iinfo(values.dtype).max)
    pixels.flags.writeable = False
    return Picture(pixels, hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest())


def read_text(path: Path) -> str:
    """A text file in UTF-8 (or Latin-1, which older sets are written in); raises DataError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path.name} cannot be read ({error.strerror}); check that it is there.") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_table(path: Path, needed: Sequence[str], delimiter: str = ",") -> list[Row]:
    """The rows of a CSV file by column, texts stripped; raises DataError for a missing column or a ragged row."""
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = columns
        missing = [name for name in needed if name not in columns]
        if missing:
            raise DataError(f"{path.name} has no column {', '.join(missing)}; it has {', '.join(columns) or 'none'}.")
        if len(set(columns)) < len(columns):
            raise DataError(f"{path.name} has a column twice; each needs a name of its own.")
        return [_row(path, reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise DataError(f"{path.name}, line {reader.line_num}: {error}; save it as plain CSV.") from None


def _row(path: Path, line: int, row: Mapping[str | None, str | None]) -> Row:
    if None in row or None in row.values():
        raise DataError(f"{path.name}, line {line}: it has more or fewer cells than the header; quote commas.")
    return {str(name): str(value).strip() for name, value in row.items()}


def some(spec: str, items: Iterable[Item], what: str) -> tuple[Item, ...]:
    """The items, which must be at least one; raises DataError that says what was looked for."""
    found = tuple(items)
    if not found:
        raise DataError(f"{spec} holds no {what}; check the path.")
    return found
