"""`folder:DIR`: a folder of pictures, whose sub-folders are classes; or flat, without labels."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from explain_core.data.images import read_picture
from explain_core.data.sources.base import DataSet, Item
from explain_core.data.sources.files import bytes_of, folder_at, hidden, pictures_in, some
from explain_core.errors import DataError


def read_folder(spec: str, argument: str) -> DataSet:
    """Every picture of the folder, in order of class and file; raises DataError.

    File names may tell about patients: a picture is called by a hash of its path inside the folder.
    """
    folder = folder_at(spec, argument)
    loose = pictures_in(folder)
    children = (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    inside = {path.name: pictures_in(path, "**/*") for path in sorted(children, key=_order)}
    classes = tuple(name for name, found in inside.items() if found)
    if loose and classes:
        raise DataError(
            f"{spec} holds pictures beside the folder {classes[0]}; put every picture into the folder of its class, "
            "or all into one folder."
        )
    if not classes:
        return DataSet(spec, some(spec, (_item(folder, path) for path in loose), "pictures (PNG, JPEG, TIFF, PGM)"))
    items = (_item(folder, path, label) for label, name in enumerate(classes) for path in inside[name])
    return DataSet(spec, tuple(items), classes)


def _order(path: Path) -> tuple[bool, int, str]:
    """Numbers by value, before names."""
    digits = path.name.isascii() and path.name.isdigit()
    return not digits, int(path.name) if digits else 0, path.name


def _item(folder: Path, path: Path, label: int | None = None) -> Item:
    return Item(hidden(str(path.relative_to(folder))), partial(read_picture, path), label, size=bytes_of(path))
