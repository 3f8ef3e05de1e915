"""`voc:DIR`: Pascal VOC photographs with boxes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from explain_core.data.images import read_picture
from explain_core.data.sources.base import DataSet, Item
from explain_core.data.sources.boxes import VOC_ORIGIN, annotation_at
from explain_core.data.sources.files import bytes_of, folder_at, read_text, some
from explain_core.errors import DataError

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
LISTS = ("test", "val")


def read_voc(spec: str, argument: str) -> DataSet:
    """Every annotated photograph of JPEGImages, or those of ImageSets/Main/test.txt, else val.txt.

    Objects have classes, pictures have none.  Boxes count pixels from 1, edges included, and are
    brought to 0.  Raises DataError.
    """
    folder = folder_at(spec, argument)
    for part in ("JPEGImages", "Annotations"):
        if not (folder / part).is_dir():
            raise DataError(f"{spec} has no folder {part}; give the folder that holds JPEGImages and Annotations.")
    items = some(spec, (_item(folder, name) for name in _names(folder)), "annotated photographs")
    return DataSet(
        spec,
        items,
        CLASSES,
        citation="Everingham et al., The Pascal visual object classes challenge, IJCV 2010.",
        terms="Photographs from Flickr, under its terms of use.",
        mapping="voc-imagenet",
    )


def _names(folder: Path) -> list[str]:
    for name in LISTS:
        listed = folder / "ImageSets" / "Main" / f"{name}.txt"
        if listed.is_file():
            return [line.split()[0] for line in read_text(listed).splitlines() if line.strip()]
    return sorted(path.stem for path in (folder / "Annotations").glob("*.xml"))


def _item(folder: Path, name: str) -> Item:
    if Path(name).name != name:
        raise DataError(f"ImageSets names {name!r}, which is no picture's name; restore the list.")
    path = folder / "JPEGImages" / f"{name}.jpg"
    marks = partial(annotation_at, folder / "Annotations" / f"{name}.xml", VOC_ORIGIN)
    return Item(name, partial(read_picture, path), marks=marks, size=bytes_of(path))
