"""What a header tells, tag by tag."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explain_core.dicom.facts import facts_of
from explain_core.dicom.film import Facts, Lut, Rescale, Spacing, VoiWindow
from explain_core.dicom.header import layout
from tests.dicom.making import VALUES, code, film, table


def facts(values: Any = VALUES, **changes: Any) -> Facts:
    made = film(values, **changes)
    return facts_of(made, layout(made))


def test_a_plain_mammogram() -> None:
    told = facts()
    assert (told.modality, told.laterality, told.view, told.orientation) == ("MG", "R", "CC", ("P", "L"))
    assert (told.bits, told.inverse, told.rescale, told.intent) == (12, False, Rescale(), "presentation")
    assert told.vois == (VoiWindow(2048, 4096), VoiWindow(1000, 500))
    assert told.burned_in is False
    assert told.notes == ()


@pytest.mark.parametrize(
    ("changes", "spacing"),
    [
        ({"ImagerPixelSpacing": None}, Spacing()),
        ({}, Spacing(0.1, 0.1, "detector")),
        ({"EstimatedRadiographicMagnificationFactor": "1.25"}, Spacing(0.08, 0.08, "body", 1.25)),
        ({"EstimatedRadiographicMagnificationFactor": "0"}, Spacing(0.1, 0.1, "detector")),
        ({"PixelSpacing": [0.2, 0.3], "PixelSpacingCalibrationType": "FIDUCIAL"}, Spacing(0.2, 0.3, "calibrated")),
        ({"PixelSpacing": [0.2, 0.3]}, Spacing(0.1, 0.1, "detector")),
        ({"PixelSpacing": [0.2, 0.3], "ImagerPixelSpacing": None}, Spacing()),
        ({"ImagerPixelSpacing": [0, 0.1]}, Spacing()),
    ],
)
def test_millimetres_are_told_with_where_they_hold(changes: dict[str, Any], spacing: Spacing) -> None:
    found = facts(**changes).spacing
    assert (found.plane, found.magnification) == (spacing.plane, spacing.magnification)
    assert np.allclose([found.row, found.column], [spacing.row, spacing.column])


@pytest.mark.parametrize(
    ("changes", "intent"),
    [
        ({"PresentationIntentType": "FOR PROCESSING"}, "processing"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2.1"}, "processing"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "unknown"),
        ({"SOPClassUID": None}, "unknown"),
    ],
)
def test_processing_and_presentation_are_told_apart(changes: dict[str, Any], intent: str) -> None:
    assert facts(**changes).intent == intent


@pytest.mark.parametrize(
    ("changes", "inverse"),
    [
        ({"PhotometricInterpretation": "MONOCHROME1"}, True),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}, True),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "IDENTITY"}, False),
        ({"PresentationLUTShape": "IDENTITY"}, False),
    ],
)
def test_low_values_may_be_bright(changes: dict[str, Any], inverse: bool) -> None:
    assert facts(**changes).inverse is inverse


def test_windows_and_tables() -> None:
    told = facts(
        VOILUTFunction="SIGMOID", WindowCenterWidthExplanation=["NORMAL", "Dr Doe's"], WindowWidth=[4096, 0],
        VOILUTSequence=[table([0, 2000, 4095], 10, 12, "HARDER"), table([1], 0, 12)],
    )  # fmt: skip
    assert told.vois == (Lut((0, 2000, 4095), 10, 12, "HARDER"), VoiWindow(2048, 4096, "SIGMOID", "NORMAL"))
    assert told.notes == ("a window without a width is left out",)


def test_a_table_may_start_below_zero() -> None:
    told = facts(VALUES.astype(np.int16), VOILUTSequence=[table([0, 4095], (1 << 16) - 5, 12)])
    assert told.vois[0] == Lut((0, 4095), -5, 12, "NORMAL")


def test_rescaling() -> None:
    assert facts(RescaleSlope="2", RescaleIntercept="-1024").rescale == Rescale(2, -1024)
    assert facts(RescaleSlope="0").rescale == Rescale()
    assert facts(ModalityLUTSequence=[table([5, 6], 0, 8)]).rescale == Lut((5, 6), 0, 8, "NORMAL")


@pytest.mark.parametrize(
    ("changes", "view", "modifiers", "note"),
    [
        ({"ViewPosition": None, "ViewCodeSequence": [code("R-10226", "SNM3")]}, "MLO", (), ""),
        ({"ViewPosition": None, "ViewCodeSequence": [code("399192008")]}, "XCCL", (), ""),
        ({"ViewPosition": "DOE"}, "", (), ""),
        ({"ViewCodeSequence": [code("399368009")]}, "MLO", (), "the view's code says MLO, its position CC"),
        (
            {
                "ViewCodeSequence": [
                    code("399162004", ViewModifierCodeSequence=[code("399055006"), code("R-102D6", "SRT")])
                ]
            },
            "CC",
            ("spot compression", "magnification"),
            "",
        ),
    ],
)
def test_views(changes: dict[str, Any], view: str, modifiers: tuple[str, ...], note: str) -> None:
    told = facts(**changes)
    assert (told.view, told.modifiers) == (view, modifiers)
    assert note in "; ".join(told.notes)
    assert bool(note) == bool(told.notes)


def test_what_is_missing_or_contradicts_is_noted() -> None:
    assert facts(Modality=None).notes == ("the file names no modality",)
    assert facts(Laterality="L").notes == ("the image says laterality R, its series L: to be confirmed",)
    assert facts(ImageLaterality=None, Laterality="L").laterality == "L"


def test_padding() -> None:
    assert facts().padding is None
    assert facts(PixelPaddingValue=30, PixelPaddingRangeLimit=0).padding == (0, 30)
    assert facts(VALUES.astype(np.int16), PixelPaddingValue=-2000).padding == (-2000, -2000)


def test_an_implant() -> None:
    assert [facts(BreastImplantPresent=word).implant for word in ("YES", "NO", None)] == [True, False, None]


def test_no_text_of_the_file_is_repeated() -> None:
    known = "Modality ImageLaterality ViewPosition VOILUTFunction PresentationIntentType PresentationLUTShape"
    words = dict.fromkeys([*known.split(), "BurnedInAnnotation", "BreastImplantPresent", "PatientOrientation"], "ZZDOE")
    words["WindowCenterWidthExplanation"] = "ZZDOE"
    assert "ZZDOE" not in str(facts(**words))
