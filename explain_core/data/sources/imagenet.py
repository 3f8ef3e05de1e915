"""`imagenet:DIR`: ImageNet photographs, with boxes where there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from explain_core.data.annotation import Annotation
from explain_core.data.images import read_picture
from explain_core.data.sources.base import DataSet, Item
from explain_core.data.sources.boxes import IMAGENET_ORIGIN, annotation_at
from explain_core.data.sources.files import beneath, bytes_of, folder_at, pictures_in, read_table, read_text, some
from explain_core.errors import DataError

WNID = re.compile(r"n\d{8}")
COUNT = 1000
SYNSETS = "LOC_synset_mapping.txt"


def read_imagenet(spec: str, argument: str) -> DataSet:
    """The photographs that DIR/labels.csv lists (columns file, class_index, wnid), or those of folders named by wnid.

    The folders stand in DIR or in DIR/val.  Their indices are their places among all 1,000 in order, or in
    LOC_synset_mapping.txt.  DIR/Annotations may hold, at any depth, an XML file for a photograph; its boxes
    of the photograph's own class count.  Raises DataError.
    """
    folder = folder_at(spec, argument)
    table = folder / "labels.csv"
    listed = _from_table(table) if table.is_file() else _from_folders(spec, folder)
    boxes = {path.stem: path for path in sorted((folder / "Annotations").rglob("*.xml"))}
    names = _class_names()
    return DataSet(
        spec,
        some(spec, (_item(*row, names, boxes) for row in listed), "photographs"),
        names,
        citation="Russakovsky et al., ImageNet large scale visual recognition challenge, IJCV 2015.",
        terms="Non-commercial research and education only.",
    )


def _class_names() -> tuple[str, ...]:
    from explain_core.models.torchvision_nets import imagenet_classes

    return imagenet_classes()


def _from_table(table: Path) -> Iterator[tuple[Path, int, str]]:
    for row in read_table(table, ("file", "class_index")):
        index = row["class_index"]
        if not (index.isascii() and index.isdigit()) or int(index) >= COUNT:
            raise DataError(f"{table.name}: class_index {index!r} of {row['file']} is none of 0 to {COUNT - 1}.")
        yield beneath(table.parent, row["file"]), int(index), row.get("wnid", "")


def _from_folders(spec: str, folder: Path) -> Iterator[tuple[Path, int, str]]:
    base = next((base for base in (folder, folder / "val") if _wnids(base)), None)
    if base is None:
        raise DataError(f"{spec} has neither labels.csv nor folders named by wnid, such as n01440764; sort it so.")
    wnids = _wnids(base)
    order = _order(folder)
    if not order and len(wnids) != COUNT:
        raise DataError(
            f"{spec} has {len(wnids)} of ImageNet's {COUNT} folders, which does not tell their indices; "
            f"add {SYNSETS} or labels.csv."
        )
    indices = {wnid: index for index, wnid in enumerate(order or wnids)}
    for wnid in wnids:
        if wnid not in indices:
            raise DataError(f"{spec}: {SYNSETS} does not have {wnid}; complete it.")
        for path in pictures_in(base / wnid):
            yield path, indices[wnid], wnid


def _wnids(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and WNID.fullmatch(path.name))


def _order(folder: Path) -> list[str]:
    listed = folder / SYNSETS
    return [line.split()[0] for line in read_text(listed).splitlines() if line.strip()] if listed.is_file() else []


def _item(path: Path, index: int, wnid: str, names: tuple[str, ...], boxes: Mapping[str, Path]) -> Item:
    marks = partial(_marks, boxes[path.stem], wnid, names[index]) if path.stem in boxes else None
    return Item(path.stem, partial(read_picture, path), index, marks, size=bytes_of(path))


def _marks(path: Path, wnid: str, name: str) -> Annotation:
    found = annotation_at(path, IMAGENET_ORIGIN)
    own = found.of(wnid) if wnid else found
    return Annotation(found.size, tuple(replace(region, name=name) for region in own.regions))
