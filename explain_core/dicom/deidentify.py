"""A new data set with only what `profile.PROFILE` lists.  Runs in the decoder's process only."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from typing import Any

import numpy as np
from pydicom import Dataset, FileMetaDataset
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import DSfloat

from explain_core.dicom.film import Stored
from explain_core.dicom.header import Layout
from explain_core.dicom.pixels import described
from explain_core.dicom.profile import METHODS, PROFILE, WRITTEN, Rule
from explain_core.dicom.secret import keyed
from explain_core.dicom.views import MODIFIER_OF, VIEW_OF

MOST_DAYS = 3650
MOST_NUMBERS = 64
NOBODY = frozenset({"0", "ANON", "ANONYMOUS", "ANONYMIZED", "NONE", "UNKNOWN", "N/A"})
"""What stands for a patient who is not told: films that share it need not be of one person."""


@dataclass(frozen=True)
class Rid:
    """`header` everything of the new file before its pixel data's values; see `decode.Cleaned` for the rest."""

    header: bytes
    identity: dict[str, str]
    removed: dict[str, int]

    def file(self, stored: Stored) -> bytes:
        """The whole new file."""
        values = stored.astype(stored.dtype.newbyteorder("<"), copy=False).tobytes()
        return self.header + values + b"\0" * (len(values) % 2)


class Person:
    """Who the film belongs to, in keyed words that say so to nobody without the key."""

    def __init__(self, found: Dataset, key: bytes) -> None:
        name, birth = _text(found, "PatientName"), _text(found, "PatientBirthDate")
        number = " ".join(filter(None, (_text(found, "PatientID"), _text(found, "IssuerOfPatientID"))))
        who = number or "/".join(filter(None, (name, birth))) or _text(found, "StudyInstanceUID") or "nobody"
        self.key = key
        self.pseudonym = "P" + keyed(key, "patient", who).hex()[:16]
        self.named = bool(number or name or birth)
        self.check = keyed(key, "person", f"{name.upper()}/{birth}").hex()[:16] if name or birth else ""
        self.shift = timedelta(days=1 + int.from_bytes(keyed(key, "days", self.pseudonym)[:4], "big") % MOST_DAYS)

    def uid(self, original: str) -> str:
        return f"2.25.{int.from_bytes(keyed(self.key, 'uid', original)[:16], 'big')}"

    def date(self, original: str) -> str:
        """Earlier by the patient's own number of days; empty for what is no date."""
        try:
            then = date(int(original[:4]), int(original[4:6]), int(original[6:8])) - self.shift
        except (ValueError, OverflowError):
            return ""
        return then.strftime("%Y%m%d") if len(original) == 8 and then.year >= 1000 else ""


def deidentified(found: Dataset, layout: Layout, key: bytes) -> Rid:
    """A new file's header, keyed identifiers, and what was taken out or replaced: keywords and counts, never values."""
    person, removed = Person(found, key), Counter[str]()
    new = _cleaned(found, PROFILE, person, removed)
    _ensure(new, found, person)
    for name, value in described(found, layout).items():
        setattr(new, name, value)
    return Rid(_header(new, layout), _identity(new, found, person), dict(sorted(removed.items())))


def _cleaned(found: Dataset, rules: Mapping[str, Rule], person: Person, removed: Counter[str]) -> Dataset:
    new = Dataset()
    for tag in found.keys():  # noqa: SIM118 - iterating a data set reads its elements, the broken ones too
        word = "private" if tag.is_private else keyword_for_tag(tag) or "unknown"
        rule = rules.get(word)
        if rule is None:
            if word not in WRITTEN:
                removed[word] += _count(found, tag)
            continue
        try:
            value = _kept(found[tag].value, word, rule, person, removed)
        except Exception:  # a broken element is one that does not survive
            value = None
        if value is None or rule.does in ("uid", "date", "pseudonym", "dummy"):
            removed[word] += 1
        if value is not None:
            new.add_new(tag, _vr(word, found), value)
    return new


def _kept(value: Any, word: str, rule: Rule, person: Person, removed: Counter[str]) -> Any:
    """What stands in the new data set; None leaves the tag out."""
    first = str("" if value is None else value).strip(" \0")
    match rule.does:
        case "number":
            return _numbers(value, word)
        case "term":
            return _terms(value, rule.terms)
        case "class":
            return first if UID(first).name != first and UID(first).type == "SOP Class" else None
        case "uid":
            return person.uid(first) if first else None
        case "date":
            return person.date(first)
        case "pseudonym":
            return person.pseudonym
        case "sequence":
            items = [_named(_cleaned(item, rule.inside, person, removed)) for item in list(value)[:16]]
            return [item for item in items if len(item)] or None
        case "table":
            return _table(value)
        case _:
            return rule.value


def _numbers(value: Any, word: str) -> Any:
    parts = value if hasattr(value, "__iter__") and not isinstance(value, str | bytes) else [value]
    numbers = [float(part) for part in parts][:MOST_NUMBERS]
    if not numbers or not all(math.isfinite(number) and abs(number) < 1e12 for number in numbers):
        return None
    kind = dictionary_VR(word)
    made = [DSfloat(x, auto_format=True) if kind == "DS" else x if kind in ("FL", "FD") else int(x) for x in numbers]
    return made[0] if len(made) == 1 else made


def _terms(value: Any, known: frozenset[str]) -> Any:
    """Words of the standard; any other leaves an empty place, so that those after it keep theirs."""
    spelt = [
        next((word for word in (text, text.upper()) if word in known), "") for text in _listed(value)[:MOST_NUMBERS]
    ]
    return None if not any(spelt) else spelt[0] if len(spelt) == 1 else spelt


def _table(value: Any) -> Any:
    data = np.frombuffer(value, "<u2") if isinstance(value, bytes) else np.asarray(value, np.int64)
    return data.astype("<u2").tobytes() if data.size and data.min() >= 0 and data.max() < 1 << 16 else None


def _named(item: Dataset) -> Dataset:
    """A code item gets its meaning back from the standard's own words."""
    code = str(item.get("CodeValue", ""))
    meaning = VIEW_OF.get(code) or MODIFIER_OF.get(code)
    if meaning:
        item.CodeMeaning = meaning
    return item


def _vr(word: str, found: Dataset) -> str:
    kind = dictionary_VR(word)
    if word == "LUTData":
        return "OW"
    if "US or SS" in kind:
        return "SS" if found.get("PixelRepresentation") == 1 and word != "LUTDescriptor" else "US"
    return kind


def _ensure(new: Dataset, found: Dataset, person: Person) -> None:
    """What every film must carry, also where the file had none of it."""
    for word, rule in PROFILE.items():
        if word not in new and rule.does == "dummy":
            setattr(new, word, rule.value)
        elif word not in new and rule.does == "pseudonym":
            setattr(new, word, person.pseudonym)
    for word in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        if not new.get(word):
            setattr(new, word, person.uid(f"{word} of {person.pseudonym} {_fingerprint(found)}"))
    if not new.get("SOPClassUID"):
        new.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"  # secondary capture: what a picture of unknown class is
    new.DeidentificationMethodCodeSequence = [_code(code, meaning) for code, meaning in METHODS.items()]


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _fingerprint(found: Dataset) -> str:
    return hashlib.sha256(found["PixelData"].value).hexdigest()


def _header(new: Dataset, layout: Layout) -> bytes:
    """The file as pydicom writes it with empty pixel data, but with their true length."""
    new.file_meta = FileMetaDataset()
    new.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    new.file_meta.MediaStorageSOPClassUID = new.SOPClassUID
    new.file_meta.MediaStorageSOPInstanceUID = new.SOPInstanceUID
    new.add_new(tag_for_keyword("PixelData") or 0, "OW", b"")
    file = BytesIO()
    new.save_as(file, enforce_file_format=True)
    length = layout.rows * layout.columns * layout.allocated // 8
    return file.getvalue()[:-4] + (length + length % 2).to_bytes(4, "little")


def _identity(new: Dataset, found: Dataset, person: Person) -> dict[str, str]:
    """`film` names its files; `exam` is one for a patient's films of one day, or of one study where no day is told."""
    days = (str(new.get(word, "")) for word in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"))
    day = next(filter(None, days), "")
    exam = day or "study-" + keyed(person.key, "exam", str(new.StudyInstanceUID)).hex()[:8]
    return {
        "patient": person.pseudonym,
        "named": "yes" if person.named else "",
        "person": person.check,
        "date": day,
        "exam": exam,
        "film": keyed(person.key, "film", str(new.SOPInstanceUID)).hex()[:16],
        "sop": str(new.SOPInstanceUID),
        "study": str(new.StudyInstanceUID),
        "series": str(new.SeriesInstanceUID),
        "class": UID(str(new.SOPClassUID)).name,
    }


def _text(found: Dataset, word: str) -> str:
    text = str(found.get(word) or "").strip(" \0^")
    return "" if text.upper() in NOBODY else text


def _listed(value: Any) -> list[str]:
    parts: Iterable[Any] = value if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
    return [str(part).strip(" \0") for part in parts]


def _count(found: Dataset, tag: Any) -> int:
    """An element, and for a sequence each of its items' elements as well."""
    try:
        value = found[tag].value if found.get_item(tag).VR == "SQ" else None
    except Exception:
        return 1
    return 1 + sum(len(item) for item in value or () if isinstance(item, Dataset))
