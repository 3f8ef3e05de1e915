"""What survives de-identification: an allow-list after PS3.15 E.1 (basic profile), each tag with what is done to it.

Nothing that is not listed survives, and of what is listed no text of the file's own: numbers are read and written
anew, words must be among the standard's, everything that identifies is replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from explain_core.dicom.facts import EXPLANATIONS, MODALITIES
from explain_core.dicom.views import MODIFIER_OF, VIEW_OF, VIEWS

Does = Literal["number", "term", "class", "uid", "date", "pseudonym", "dummy", "sequence", "table"]


@dataclass(frozen=True)
class Rule:
    """`number`: kept if finite; `term`: kept if among `terms`; `class`: kept if a
    class of the standard; `uid`: remapped with the key; `date`: shifted by the patient's own days; `pseudonym`;
    `dummy`: replaced by `value`, also where it was missing; `sequence`: items by `inside`; `table`: of a LUT.
    """

    does: Does
    terms: frozenset[str] = frozenset()
    value: str = ""
    inside: Mapping[str, Rule] = field(default_factory=dict)


NUMBER, UID, DATE, PSEUDONYM, EMPTY = Rule("number"), Rule("uid"), Rule("date"), Rule("pseudonym"), Rule("dummy")


def _term(*terms: str) -> Rule:
    return Rule("term", frozenset(terms))


def _items(**inside: Rule) -> Rule:
    return Rule("sequence", inside=inside)


YES_NO = _term("YES", "NO")
SIDES = frozenset(a + b for a in ("A", "P", "L", "R", "H", "F") for b in ("", "A", "P", "L", "R", "H", "F"))
_SCHEME = _term("SRT", "SNM3", "SCT")
_LUT = _items(LUTDescriptor=NUMBER, LUTExplanation=Rule("term", EXPLANATIONS), LUTData=Rule("table"))
_MODIFIER = _items(CodeValue=Rule("term", frozenset(MODIFIER_OF)), CodingSchemeDesignator=_SCHEME)
_VIEW = _items(
    CodeValue=Rule("term", frozenset(VIEW_OF)), CodingSchemeDesignator=_SCHEME, ViewModifierCodeSequence=_MODIFIER
)
_REGION = _items(
    CodeValue=_term("T-04000", "76752008"), CodingSchemeDesignator=_SCHEME, CodeMeaning=_term("Breast", "BREAST")
)

_NUMBERS = (
    "PixelSpacing",
    "ImagerPixelSpacing",
    "EstimatedRadiographicMagnificationFactor",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "PixelIntensityRelationshipSign",
    "RescaleSlope",
    "RescaleIntercept",
    "WindowCenter",
    "WindowWidth",
    "PixelAspectRatio",
    "KVP",
    "ExposureTime",
    "XRayTubeCurrent",
    "Exposure",
    "ExposureInuAs",
    "BodyPartThickness",
    "CompressionForce",
    "FocalSpots",
    "DistanceSourceToDetector",
    "DistanceSourceToPatient",
    "PositionerPrimaryAngle",
    "PositionerSecondaryAngle",
    "DetectorElementSpacing",
    "DetectorElementPhysicalSize",
    "DetectorBinning",
    "FieldOfViewRotation",
    "FieldOfViewOrigin",
    "OrganDose",
    "EntranceDoseInmGy",
    "RelativeXRayExposure",
    "LossyImageCompressionRatio",
)

VENDORS = frozenset(
    {
        "HOLOGIC",
        "HOLOGIC, INC.",
        "GE MEDICAL SYSTEMS",
        "GE HEALTHCARE",
        "SIEMENS",
        "SIEMENS HEALTHINEERS",
        "PHILIPS",
        "PHILIPS MEDICAL SYSTEMS",
        "FUJIFILM CORPORATION",
        "FUJIFILM",
        "LORAD",
        "LORAD, A HOLOGIC COMPANY",
        "PLANMED",
        "KONICA MINOLTA",
        "CARESTREAM HEALTH",
        "AGFA",
        "SECTRA IMTEC AB",
        "IMS S.R.L.",
        "IMS GIOTTO S.P.A.",
    }
)

PROFILE: Mapping[str, Rule] = {
    **dict.fromkeys(_NUMBERS, NUMBER),
    "SOPClassUID": Rule("class"),
    **dict.fromkeys(("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"), UID),
    **dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"), DATE),
    **dict.fromkeys(("PatientName", "PatientID"), PSEUDONYM),
    **dict.fromkeys(
        ("PatientBirthDate", "PatientSex", "AccessionNumber", "ReferringPhysicianName", "StudyID", "StudyTime"), EMPTY
    ),
    "PatientIdentityRemoved": Rule("dummy", value="YES"),
    "DeidentificationMethod": Rule("dummy", value="Rhoscope: allow-list after PS3.15 E.1, basic profile"),
    "LongitudinalTemporalInformationModified": Rule("dummy", value="MODIFIED"),
    "Modality": Rule("term", MODALITIES),
    "ImageType": _term("ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY"),
    "PresentationIntentType": _term("FOR PRESENTATION", "FOR PROCESSING"),
    "ConversionType": _term("DV", "DI", "DF", "WSD", "SD", "SI", "DRW", "SYN"),
    "BodyPartExamined": _term("BREAST"),
    "Manufacturer": Rule("term", VENDORS),
    "ImageLaterality": _term("L", "R", "B"),
    "Laterality": _term("L", "R"),
    "ViewPosition": Rule("term", frozenset(VIEWS)),
    "ViewCodeSequence": _VIEW,
    "AnatomicRegionSequence": _REGION,
    "PatientOrientation": Rule("term", SIDES),
    "PartialView": YES_NO,
    "BreastImplantPresent": YES_NO,
    "BurnedInAnnotation": YES_NO,
    "LossyImageCompression": _term("00", "01"),
    "PixelIntensityRelationship": _term("LIN", "LOG", "DISP"),
    "PixelSpacingCalibrationType": _term("GEOMETRY", "FIDUCIAL"),
    "PresentationLUTShape": _term("IDENTITY", "INVERSE"),
    "RescaleType": _term("US", "OD", "HU"),
    "VOILUTFunction": _term("LINEAR", "LINEAR_EXACT", "SIGMOID"),
    "WindowCenterWidthExplanation": Rule("term", EXPLANATIONS),
    "ModalityLUTSequence": _LUT,
    "VOILUTSequence": _LUT,
    "PositionerType": _term("MAMMOGRAPHIC", "NONE"),
    "DetectorType": _term("DIRECT", "SCINTILLATOR", "STORAGE", "FILM"),
    "AnodeTargetMaterial": _term("TUNGSTEN", "MOLYBDENUM", "RHODIUM"),
    "FilterMaterial": _term("MOLYBDENUM", "RHODIUM", "SILVER", "ALUMINUM", "COPPER", "TITANIUM"),
    "Grid": _term("FIXED", "FOCUSED", "RECIPROCATING", "PARALLEL", "CROSSED", "NONE"),
}
"""Every tag that may survive; the picture itself (rows, columns, bits, photometric, pixel data) is written anew."""

WRITTEN = frozenset(
    {"Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel",
     "PhotometricInterpretation", "PixelData", "NumberOfFrames"}
)  # fmt: skip

METHODS = {
    "113100": "Basic Application Confidentiality Profile",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
}
"""Codes of what was done (PS3.16 CID 7050)."""
