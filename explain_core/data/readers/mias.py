"""mini-MIAS: Info.txt, with circles whose y counts from below; its numbers are taken as pixel centres."""

from __future__ import annotations

from pathlib import Path

from explain_core.data.marked import Marked
from explain_core.data.readers.base import Marks, Reader, grouped, in_data, marked
from explain_core.data.sources.mias import CLASSES, Finding, findings_of
from explain_core.errors import DataError
from explain_core.shapes import Ellipse

SIZE = (1024, 1024)
KINDS = {"CALC": "calcification", "ARCH": "distortion", "ASYM": "asymmetry", "CIRC": "mass", "SPIC": "mass"}


def read(path: Path) -> list[Marks]:
    """Every film that is listed, normal ones without regions; raises DataError."""
    found = findings_of(path)
    if not found:
        raise DataError(f"{path.name} lists no film as Info.txt of mini-MIAS does: give that file.")
    return grouped([(one.ref, SIZE, _regions(one)) for one in found])


def _regions(finding: Finding) -> list[Marked]:
    circle = finding.circle
    if circle is None:
        return []
    with in_data(finding.ref):
        drawn = Ellipse(circle.x + 0.5, circle.y + 0.5, circle.radius, circle.radius, 0)
        return [marked(drawn, *_called(finding))]


def _called(finding: Finding) -> tuple[str, str]:
    return f"{finding.kind} {CLASSES[finding.severity]}", KINDS.get(finding.kind, "")


READER = Reader("mias", "mini-MIAS", "Info.txt", tried=True, read=read)
