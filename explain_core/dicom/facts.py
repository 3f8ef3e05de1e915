"""What a header tells of a film.  Runs in the decoder's process only; repeats no text of the file's own."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, get_args

import numpy as np
from pydicom import Dataset

from explain_core.dicom.film import Facts, Function, Intent, Lut, Rescale, Spacing, Voi, VoiWindow
from explain_core.dicom.header import Layout
from explain_core.dicom.views import MODIFIER_OF, VIEW_OF, VIEWS

MOST_VOIS = 16
MODALITIES = frozenset({"MG", "DX", "CR", "RG", "RF", "XA", "IO", "PX", "CT", "MR", "US", "NM", "PT", "OT", "SC", "XC"})
EXPLANATIONS = frozenset({"NORMAL", "HARDER", "SOFTER", "HIGH", "LOW", "MEDIUM", "USER", "ALGO1", "DEFAULT", "WINDOW1"})
"""What vendors call their windows; any other word is left out, for it could be anybody's."""
ORIENTATION = re.compile(r"[APLRHF]{1,3}")


def facts_of(found: Dataset, layout: Layout) -> Facts:
    """Facts of a checked header; whatever is missing or makes no sense is left out, and noted where it matters."""
    notes: list[str] = []
    photometric = str(found.PhotometricInterpretation)
    shape = _term(found, "PresentationLUTShape", ("IDENTITY", "INVERSE"))
    modality, intent = _term(found, "Modality", MODALITIES), _intent(found)
    if not modality:
        notes.append("the file names no modality")
    if intent == "processing":
        notes.append("for processing, not for presentation: contrast is not as a radiologist expects it")
    rescale = _rescale(found, notes)
    return Facts(
        bits=layout.bits,
        photometric=photometric,
        inverse=shape == "INVERSE" or (not shape and photometric == "MONOCHROME1"),
        rescale=rescale,
        vois=tuple(_vois(found, layout, rescale, notes)),
        padding=_padding(found, layout),
        modality=modality,
        intent=intent,
        laterality=_laterality(found, notes),
        view=_view(found, notes),
        modifiers=tuple(_modifiers(found)),
        implant={"YES": True, "NO": False}.get(_term(found, "BreastImplantPresent", ("YES", "NO"))),
        orientation=tuple(side for side in _texts(found, "PatientOrientation") if ORIENTATION.fullmatch(side))[:2],
        spacing=_spacing(found, notes),
        burned_in={"YES": True, "NO": False}.get(_term(found, "BurnedInAnnotation", ("YES", "NO"))),
        notes=tuple(notes),
    )


def _intent(found: Dataset) -> Intent:
    said = _term(found, "PresentationIntentType", ("FOR PRESENTATION", "FOR PROCESSING"))
    kind = getattr(found.get("SOPClassUID"), "name", "")
    for word, intent in (("PRESENTATION", "presentation"), ("PROCESSING", "processing")):
        if said.endswith(word) or (not said and str(kind).upper().endswith(word)):
            return "presentation" if intent == "presentation" else "processing"
    return "unknown"


def _rescale(found: Dataset, notes: list[str]) -> Rescale | Lut:
    for item in _items(found, "ModalityLUTSequence"):
        table = _lut(item, signed=found.get("PixelRepresentation") == 1)
        if table is not None:
            return table
        notes.append("a modality table that makes no sense is left out")
    slope, intercept = _number(found, "RescaleSlope"), _number(found, "RescaleIntercept")
    if slope == 0:
        notes.append("a rescale slope of 0 is read as 1")
    return Rescale(slope or 1.0, intercept or 0.0)


def _vois(found: Dataset, layout: Layout, rescale: Rescale | Lut, notes: list[str]) -> Iterator[Voi]:
    """Tables first, then windows, as other readers choose; explanations are kept where they are known words."""
    signed = not isinstance(rescale, Lut) and (layout.signed or rescale.intercept < 0)
    tables = [_lut(item, signed) for item in _items(found, "VOILUTSequence")[:MOST_VOIS]]
    yield from (table for table in tables if table is not None)
    said = _term(found, "VOILUTFunction", get_args(Function))
    functions = {name: name for name in get_args(Function)}
    words = _texts(found, "WindowCenterWidthExplanation")
    pairs = list(zip(_numbers(found, "WindowCenter"), _numbers(found, "WindowWidth"), strict=False))[:MOST_VOIS]
    made: list[VoiWindow] = []
    for index, (center, width) in enumerate(pairs):
        function: Function = functions.get(said, "LINEAR")
        if center is None or width is None or width < (1 if function == "LINEAR" else 1e-6):
            notes.append("a window without a width is left out")
            continue
        word = words[index].upper() if index < len(words) else ""
        window = VoiWindow(center, width, function, word if word in EXPLANATIONS else "")
        if window not in made:
            made.append(window)
    yield from made


def _lut(item: Dataset, signed: bool) -> Lut | None:
    """A table of PS3.3 C.11; None for one that makes no sense."""
    descriptor = _numbers(item, "LUTDescriptor")
    raw = item.get("LUTData")
    if len(descriptor) != 3 or raw is None or any(number is None for number in descriptor):
        return None
    count, first, bits = (int(number or 0) for number in descriptor)
    count = count or 1 << 16
    if isinstance(raw, bytes):
        data = np.frombuffer(
            raw, "<u1" if bits == 8 and len(raw) < 2 * count else "<u2", count=min(count, len(raw) // 2)
        )
    else:
        data = np.asarray(raw, np.int64).ravel()[:count]
    bits = bits if 8 <= bits <= 16 else 16
    if len(data) < 2 or len(data) != count or data.min() < 0 or data.max() >= 1 << 16:
        return None
    first = first - (1 << 16) if signed and first >= 1 << 15 else first
    explanation = next(iter(_texts(item, "LUTExplanation")), "").upper()
    top = max(bits, int(data.max()).bit_length())
    return Lut(tuple(int(x) for x in data), first, top, explanation if explanation in EXPLANATIONS else "")


def _padding(found: Dataset, layout: Layout) -> tuple[int, int] | None:
    value, limit = _number(found, "PixelPaddingValue"), _number(found, "PixelPaddingRangeLimit")
    if value is None:
        return None
    ends = [int(value), int(value if limit is None else limit)]
    if layout.signed:  # both may have been read as unsigned
        ends = [end - (1 << layout.allocated) if end >= 1 << (layout.allocated - 1) else end for end in ends]
    return min(ends), max(ends)


def _laterality(found: Dataset, notes: list[str]) -> str:
    image, series = (_term(found, name, "LRB") for name in ("ImageLaterality", "Laterality"))
    if image and series and image != series:
        notes.append(f"the image says laterality {image}, its series {series}: to be confirmed")
    return image or series


def _view(found: Dataset, notes: list[str]) -> str:
    said = _term(found, "ViewPosition", VIEWS)
    codes = [VIEW_OF.get(_code(item), "") for item in _items(found, "ViewCodeSequence")]
    coded = next(iter(filter(None, codes)), "")
    if said and coded and said != coded:
        notes.append(f"the view's code says {coded}, its position {said}: to be confirmed")
    return coded or said


def _modifiers(found: Dataset) -> Iterator[str]:
    for view in _items(found, "ViewCodeSequence"):
        for item in _items(view, "ViewModifierCodeSequence"):
            if _code(item) in MODIFIER_OF:
                yield MODIFIER_OF[_code(item)]


def _spacing(found: Dataset, notes: list[str]) -> Spacing:
    """PS3.3 10.7.1: spacing in the body only where it is calibrated; the detector's is never taken for it."""
    body, detector = _pair(found, "PixelSpacing"), _pair(found, "ImagerPixelSpacing")
    if body and _term(found, "PixelSpacingCalibrationType", ("GEOMETRY", "FIDUCIAL")):
        return Spacing(*body, "calibrated")
    if body and body != detector:
        notes.append("a pixel spacing that is not said to be calibrated is not used")
    if not detector:
        return Spacing()
    magnification = _number(found, "EstimatedRadiographicMagnificationFactor")
    if magnification is None or not 0.5 <= magnification <= 10:
        return Spacing(*detector, "detector")
    return Spacing(detector[0] / magnification, detector[1] / magnification, "body", magnification)


def _pair(found: Dataset, name: str) -> tuple[float, float] | None:
    values = [value for value in _numbers(found, name) if value is not None and 1e-4 <= value <= 100]
    return (values[0], values[1]) if len(values) == 2 else None


def _items(found: Dataset, name: str) -> list[Dataset]:
    value = found.get(name)
    return [item for item in value if isinstance(item, Dataset)] if value else []


def _code(item: Dataset) -> str:
    return next(iter(_texts(item, "CodeValue")), "")


def _texts(found: Dataset, name: str) -> list[str]:
    value: Any = found.get(name)
    if value is None:
        return []
    return [str(part).strip() for part in ([value] if isinstance(value, str | bytes) else _listed(value))]


def _term(found: Dataset, name: str, known: Any) -> str:
    """A value that is one of the known terms, or nothing."""
    said = next(iter(_texts(found, name)), "").upper()
    return said if said in set(known) else ""


def _numbers(found: Dataset, name: str) -> list[float | None]:
    value: Any = found.get(name)
    return [] if value is None or value == "" else [_finite(part) for part in _listed(value)]


def _number(found: Dataset, name: str) -> float | None:
    return next(iter(_numbers(found, name)), None)


def _finite(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) < 1e12 else None


def _listed(value: Any) -> list[Any]:
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str | bytes) else [value]
