"""Boxes in the XML of Pascal VOC, which ImageNet shares."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from explain_core.data.annotation import Annotation, Box, Region
from explain_core.errors import DataError

VOC_ORIGIN, IMAGENET_ORIGIN = 1, 0
"""The number of the first pixel; both sets count edges in."""


def annotation_at(path: Path, origin: int) -> Annotation:
    """What an XML file marks; raises DataError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path.name} cannot be read ({error.strerror}); check that it is there.") from None
    return parse(data, path.name, origin)


def parse(data: bytes, name: str, origin: int) -> Annotation:
    """The objects of an annotation, whose file is called `name`; raises DataError.

    Neither document types nor entities are accepted, since they can name other files or grow without
    bound.  A box that reaches beyond the picture is cut at its edge.
    """
    try:
        root = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        _refuse(name, "it declares a document type or entities, which are not read; save it without")
    except (ParseError, ValueError, LookupError) as error:  # LookupError: an encoding that does not exist
        _refuse(name, f"it is no XML ({' '.join(str(error).split())}); download it again")
    height, width = (int(_number(root, f"size/{side}", name)) for side in ("height", "width"))
    if min(height, width) < 1:
        _refuse(name, f"the picture's size is {width} × {height}; it must be positive")
    return Annotation(
        (height, width), tuple(_region(node, name, origin, height, width) for node in root.iter("object"))
    )


def _region(node: Element, name: str, origin: int, height: int, width: int) -> Region:
    left, top, right, bottom = (
        _number(node, f"bndbox/{edge}", name) - origin for edge in ("xmin", "ymin", "xmax", "ymax")
    )
    box = Box(max(top, 0.0), max(left, 0.0), min(bottom, height - 1.0), min(right, width - 1.0))
    if box.bottom < box.top or box.right < box.left:
        _refuse(name, f"a box has its corners at ({left:g}, {top:g}) and ({right:g}, {bottom:g}); correct it")
    return Region((node.findtext("name") or "").strip(), box, (node.findtext("difficult") or "").strip() == "1")


def _number(node: Element, path: str, name: str) -> float:
    text = node.findtext(path)
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        _refuse(name, f"{path} is {text!r}; it must be a number")
    return value


def _refuse(name: str, why: str) -> NoReturn:
    raise DataError(f"{name}: {why}.")
