"""What raters drew, as COCO's instances JSON: file names are those in the bundle's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, UnidentifiedImageError

from annotations.shapes import ellipse_of
from explain_core.errors import InputError
from explain_core.shapes import Ellipse

if TYPE_CHECKING:
    from annotations.export import Answered, Label

CORNERS = 32
"""Of the polygon that an ellipse becomes; its area is 0.6 % less."""


def as_coco(answered: Answered) -> str:
    """Of every item that was answered its original picture, and an object for each ellipse of an answer that counts.

    An object's category is the item's class; it also has the rater and the answer.
    """
    counting = [label for label in answered.labels if label.counts]
    classes = {label.item: label.class_name for label in counting}
    images = {item: number for number, item in enumerate(sorted(classes), 1)}
    categories = {name: number for number, name in enumerate(sorted(set(classes.values())), 1)}
    drawn = [(label, ellipse) for label in counting if (ellipse := ellipse_of(label.shapes))]
    told = {
        "images": [_image(answered, item, number) for item, number in images.items()],
        "annotations": [
            _object(number, label, ellipse, images, categories) for number, (label, ellipse) in enumerate(drawn, 1)
        ],
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
    }
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


def _image(answered: Answered, item: str, number: int) -> dict[str, Any]:
    place = answered.pictures.get(item)
    if place is None:
        raise InputError(f"Item {item} has no original picture, and COCO is about those: take jsonl or csv.")
    width, height = _size(answered.folder / place)
    return {"id": number, "file_name": place, "width": width, "height": height}


def _size(path: Path) -> tuple[int, int]:
    """Width and height, from the picture's header."""
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        why = getattr(error, "strerror", None) or "it is no picture"
        raise InputError(f"{path}: {why}; put the campaign's bundle back.") from None


def _object(
    number: int, label: Label, ellipse: Ellipse, images: Mapping[str, int], categories: Mapping[str, int]
) -> dict[str, Any]:
    corners = ellipse.polygon(CORNERS)
    xs, ys = zip(*corners, strict=True)
    following = [*corners[1:], corners[0]]
    area = sum(x * later_y - later_x * y for (x, y), (later_x, later_y) in zip(corners, following, strict=True)) / 2
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    return {
        "id": number, "image_id": images[label.item], "category_id": categories[label.class_name], "iscrowd": 0,
        "segmentation": [[round(value, 3) for corner in corners for value in corner]], "area": round(area, 3),
        "bbox": [round(value, 3) for value in box], "rater": label.rater, "answer": label.answer,
    }  # fmt: skip
