"""`coco:FILE`: pictures with instance masks in COCO's JSON."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from explain_core.data.annotation import Annotation, Bits, Region, union
from explain_core.data.images import read_picture
from explain_core.data.sources.base import DataSet, Item
from explain_core.data.sources.files import beneath, bytes_of, file_at, read_text, some
from explain_core.data.sources.polygons import fill, runs, unpacked
from explain_core.errors import DataError

Json = Mapping[str, Any]


def read_coco(spec: str, argument: str) -> DataSet:
    """Every picture of an instances JSON; polygons and run lengths become masks, whatever is a crowd included.

    The pictures are looked for beside the JSON, in images/, and where COCO puts them: for
    annotations/instances_val2017.json in val2017/ or images/val2017/.  Raises DataError.
    """
    path = file_at(spec, argument)
    images, objects, categories = _tables(spec, path)
    by_image: dict[Any, list[Json]] = defaultdict(list)
    for found in objects:
        by_image[found["image_id"]].append(found)
    names = {row["id"]: str(row["name"]) for row in sorted(categories, key=lambda row: row["id"])}
    folder = _pictures(spec, path, str(images[0]["file_name"]))
    items = (_item(folder, image, by_image[image["id"]], names) for image in images)
    return DataSet(
        spec,
        some(spec, items, "images"),
        tuple(names.values()),
        citation="Lin et al., Microsoft COCO: common objects in context, ECCV 2014.",
        terms="Annotations CC BY 4.0; photographs from Flickr, under its terms of use.",
    )


def _tables(spec: str, path: Path) -> tuple[list[Json], list[Json], list[Json]]:
    keys = {
        "images": ("id", "file_name", "height", "width"),
        "annotations": ("image_id", "category_id", "segmentation"),
        "categories": ("id", "name"),
    }
    try:
        read = json.loads(read_text(path))
        images, objects, categories = (read[table] for table in keys)
        for table, needed in keys.items():
            for row in read[table]:
                for key in needed:
                    row[key]
        known = {row["id"] for row in categories}
        unknown = {row["category_id"] for row in objects} - known
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else "it is no such JSON"
        raise DataError(f"{spec} is no instances file of COCO ({why}); give instances_….json.") from None
    if unknown or not images:
        why = f"category {min(unknown)} has no name" if unknown else "it lists no images"
        raise DataError(f"{spec}: {why}; download the file again.")
    return images, objects, categories


def _pictures(spec: str, path: Path, first: str) -> Path:
    part = path.stem.removeprefix("instances_")
    above = path.parent.parent
    places = [path.parent, path.parent / "images", above / part, above / "images" / part, above / "images"]
    found = next((place for place in places if place.is_dir() and beneath(place, first).is_file()), None)
    if found is None:
        looked = ", ".join(str(place.relative_to(above)) for place in places)
        raise DataError(f"{spec}: {first} is in none of {looked} (seen from the folder above); put the pictures there.")
    return found


def _item(folder: Path, image: Json, objects: Sequence[Json], names: Mapping[Any, str]) -> Item:
    path = beneath(folder, str(image["file_name"]))
    return Item(
        name=str(image["id"]),
        load=partial(read_picture, path),
        marks=partial(_marks, (image["height"], image["width"]), objects, names),
        size=bytes_of(path),
    )


def _marks(size: tuple[int, int], objects: Sequence[Json], names: Mapping[Any, str]) -> Annotation:
    regions = (Region(names[found["category_id"]], mask_of(found["segmentation"], size)) for found in objects)
    return Annotation(size, tuple(region for region in regions if region.mask(size).any()))


def mask_of(segmentation: Any, size: tuple[int, int]) -> Bits:
    """The mask (h, w) of a segmentation: polygons, run lengths, or packed run lengths; raises DataError.

    COCO counts from pixels' corners, this package from their centres.
    """
    try:
        if isinstance(segmentation, list):
            outlines = [np.array(flat, dtype=np.float64).reshape(-1, 2) - 0.5 for flat in segmentation]
            if not all(np.isfinite(outline).all() and len(outline) for outline in outlines):
                raise ValueError
            return union((fill(outline, size) for outline in outlines), size)
        counts = segmentation["counts"]
        if tuple(segmentation["size"]) != size:
            raise ValueError
        return runs(unpacked(counts) if isinstance(counts, str) else [int(count) for count in counts], size)
    except (ValueError, TypeError, KeyError, OverflowError):
        raise DataError("A segmentation is neither polygons nor run lengths of the picture; correct it.") from None
