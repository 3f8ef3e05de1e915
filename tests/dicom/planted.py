"""A film with a planted text wherever a data set may hold one: every tag of the dictionary, not only PS3.15's list."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.datadict import DicomDictionary
from pydicom.tag import Tag

from explain_core.dicom.profile import PROFILE, WRITTEN
from tests.dicom.making import VALUES, code, film

WORD, DAY, CLOCK, UID, NUMBER = "ZZPLANTED", "19431117", "174213.917", "1.2.826.4711.4711.4711", "471.1713"
PLANTS = (WORD, DAY, CLOCK, UID, NUMBER)
TEXT = {
    **dict.fromkeys(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"), WORD),
    "DA": DAY, "TM": CLOCK, "DT": f"{DAY}{CLOCK}", "AS": "077Y", "UI": UID,
}  # fmt: skip
BYTES = {"OB", "OW", "UN", "OB or OW", "OF", "OD", "OL", "OV"}
NEEDED = {"SOPClassUID", "SpecificCharacterSet"}
"""What makes the file readable; everything else is planted."""


def planted() -> Dataset:
    """A 12-bit film, whose unused bits, nested sequences, private tags and preamble hold the planted texts too."""
    made = film(VALUES | 0xF000)
    for tag, (kind, multiple, _, _, word) in DicomDictionary.items():
        if word and word not in WRITTEN | NEEDED and Tag(tag).group > 2:
            _plant(made, tag, kind, word, multiple)
    _deepen(made)
    return made


def _plant(made: Dataset, tag: int, kind: str, word: str, multiple: str) -> None:
    if kind in TEXT:
        made.add_new(tag, kind, [TEXT[kind]] * 2 if multiple.startswith("2") else TEXT[kind])
    elif kind in ("DS", "IS") and word not in PROFILE:
        made.add_new(tag, kind, NUMBER if kind == "DS" else "4711713")
    elif kind in BYTES:
        made.add_new(tag, "OB" if " " in kind else kind, WORD.encode() * 8)
    elif kind == "SQ":
        inner = Dataset()
        inner.PatientName, inner.PatientBirthDate, inner.PatientComments, inner.UID = WORD, DAY, WORD, UID
        inner.CodeValue, inner.CodeMeaning = WORD, WORD
        inner.private_block(0x0029, "ZZ CREATOR", create=True).add_new(1, "LO", WORD)
        made.add_new(tag, "SQ", [inner])


def _deepen(made: Dataset) -> None:
    """Private groups, overlays, and a view's code with texts within and beside it."""
    for group in (0x0009, 0x0019, 0x2101):
        made.private_block(group, f"ZZ {WORD}", create=True).add_new(2, "UN", WORD.encode() * 3)
    for group in range(0x6000, 0x6006, 2):
        made.add_new((group, 0x4000), "LT", WORD)
        made.add_new((group, 0x3000), "OB", WORD.encode() * 4)
    made.ViewCodeSequence = [
        code("399162004", CodeMeaning=WORD, ViewModifierCodeSequence=[code("399055006", LongCodeValue=WORD)])
    ]
    made.preamble = (WORD.encode() * 20)[:128]
    made.file_meta.SourceApplicationEntityTitle = WORD
    made.file_meta.PrivateInformationCreatorUID, made.file_meta.PrivateInformation = UID, WORD.encode() * 2
    made.file_meta.ImplementationVersionName = WORD
