"""Where planted texts are found again: in bytes, whatever they are written as, and in every element of a DICOM file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydicom import Dataset, dcmread

from tests.dicom.planted import CLOCK, DAY, PLANTS, TEXT

SPELT = (
    *PLANTS, f"{DAY[:4]}-{DAY[4:6]}-{DAY[6:]}", f"{DAY[6:]}.{DAY[4:6]}.{DAY[:4]}",
    f"{CLOCK[:2]}:{CLOCK[2:4]}:{CLOCK[4:6]}", "4711713",
)  # fmt: skip
"""Also as dates and times are written outside DICOM."""
NEEDLES = {text.lower().encode(code): text for text in SPELT for code in ("utf-8", "utf-16-le")}
AGE = TEXT["AS"]


def traces(*places: str | bytes) -> list[str]:
    """The planted texts that are in one of the places, small letters or capitals."""
    found = set()
    for place in places:
        content = (place.encode() if isinstance(place, str) else place).lower()
        found |= {text for needle, text in NEEDLES.items() if needle in content}
    return sorted(found)


def traces_in(path: Path) -> list[str]:
    """In a file's name and bytes; of a DICOM file also in its preamble and in every element, however deep."""
    content = path.read_bytes()
    values = list(values_of(dcmread(path))) if content[128:132] == b"DICM" else []
    return sorted({*traces(str(path), content, *values), *(value for value in values if value == AGE)})


def values_of(file: Dataset) -> Iterator[str]:
    """Every value as text, the private creators and the meta group's too."""
    for part in (file.file_meta, file):
        for element in part.iterall():
            if element.VR != "SQ":
                yield repr(element.value) if isinstance(element.value, bytes) else str(element.value)
    yield repr(file.preamble)


def traces_below(*folders: Path) -> dict[str, list[str]]:
    """Every file that holds something planted, and what."""
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    assert files
    return {str(path): found for path in files if (found := traces_in(path))}
