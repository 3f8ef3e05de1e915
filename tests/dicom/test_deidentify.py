"""Nothing of the patient survives, the same patient stays the same, and intervals between exams are kept."""

from __future__ import annotations

import stat
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from explain_core.dicom.decode import Cleaned, Decoder
from explain_core.dicom.profile import PROFILE
from explain_core.dicom.secret import keyed, workspace_key
from explain_core.errors import OutputError
from tests.dicom.making import VALUES, code, film, saved, table
from tests.dicom.planted import PLANTS, planted

KEY, OTHER = b"k" * 32, b"o" * 32


def cleaned(decoder: Decoder, path: Path, key: bytes = KEY, **changes: Any) -> tuple[Cleaned, Dataset]:
    got = decoder.cleaned(saved(path / "a.dcm", film(**changes)), key)
    return got, dcmread(BytesIO(got.file))


def test_nothing_planted_survives(tmp_path: Path, decoder: Decoder) -> None:
    path = saved(tmp_path / "a.dcm", planted())
    before = path.read_bytes()
    assert all(plant.encode() in before for plant in PLANTS)
    got = decoder.cleaned(path, KEY)
    left = got.file + repr((got.identity, got.removed, got.film.facts)).encode()
    assert [plant for plant in PLANTS if plant.encode() in left] == []
    assert np.array_equal(dcmread(BytesIO(got.file)).pixel_array, VALUES)
    assert got.removed["InstitutionName"] == 1
    assert got.removed["private"] >= 6


def test_only_listed_tags_are_left(tmp_path: Path, decoder: Decoder) -> None:
    got = dcmread(BytesIO(decoder.cleaned(saved(tmp_path / "a.dcm", planted()), KEY).file))
    pixels = {"Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
              "HighBit", "PixelRepresentation", "PixelData", "DeidentificationMethodCodeSequence"}  # fmt: skip
    assert {element.keyword for element in got} <= set(PROFILE) | pixels
    assert got.PatientIdentityRemoved == "YES"
    assert [item.CodeValue for item in got.DeidentificationMethodCodeSequence] == ["113100", "113107"]


def test_pixels_begin_where_it_says(tmp_path: Path, decoder: Decoder) -> None:
    for values in (VALUES, (VALUES % 256).astype(np.uint8)[:63, :47]):
        got, found = cleaned(decoder, tmp_path, values=values)
        mapped = np.frombuffer(got.file, values.dtype, values.size, got.offset).reshape(values.shape)
        assert np.array_equal(mapped, values)
        assert np.array_equal(found.pixel_array, values)


def test_what_shows_and_measures_a_film_is_kept(tmp_path: Path, decoder: Decoder) -> None:
    told = {
        "VOILUTSequence": [table([0, 2000, 4095], 10, 12)], "EstimatedRadiographicMagnificationFactor": "1.5",
        "VOILUTFunction": "SIGMOID", "WindowCenterWidthExplanation": ["NORMAL", "ZZ"], "BreastImplantPresent": "YES",
        "PhotometricInterpretation": "MONOCHROME1", "PixelPaddingValue": 0, "RescaleSlope": "2",
        "RescaleIntercept": "-5",
        "ViewCodeSequence": [code("399162004", ViewModifierCodeSequence=[code("399055006")])],
    }  # fmt: skip
    got, _ = cleaned(decoder, tmp_path, **told)
    (tmp_path / "b.dcm").write_bytes(got.file)
    assert decoder.film(tmp_path / "b.dcm").facts == got.film.facts
    assert got.film.facts.modifiers == ("spot compression",)


def test_a_patient_keeps_one_pseudonym_and_the_days_between_exams(tmp_path: Path, decoder: Decoder) -> None:
    first, old = cleaned(decoder, tmp_path, SOPInstanceUID="1.2.3.1", StudyDate="20170304")
    second, new = cleaned(decoder, tmp_path, SOPInstanceUID="1.2.3.2", StudyDate="20190304")
    assert first.identity["patient"] == second.identity["patient"] == old.PatientID
    assert old.PatientName == old.PatientID != "4711"
    days = [datetime.strptime(found.StudyDate, "%Y%m%d") for found in (old, new)]
    assert (days[1] - days[0]).days == 730
    assert days[1] < datetime(2019, 3, 4)
    assert old.StudyInstanceUID == new.StudyInstanceUID
    assert old.SOPInstanceUID != new.SOPInstanceUID
    assert old.SOPInstanceUID.startswith("2.25.")


def test_another_key_or_patient_gives_other_names(tmp_path: Path, decoder: Decoder) -> None:
    names = [
        cleaned(decoder, tmp_path, KEY)[0].identity["patient"],
        cleaned(decoder, tmp_path, OTHER)[0].identity["patient"],
        cleaned(decoder, tmp_path, KEY, PatientID="4712")[0].identity["patient"],
        cleaned(decoder, tmp_path, KEY, IssuerOfPatientID="elsewhere")[0].identity["patient"],
    ]
    assert len(set(names)) == 4


def test_who_is_not_told_is_not_invented(tmp_path: Path, decoder: Decoder) -> None:
    nobody, _ = cleaned(decoder, tmp_path, PatientID=None, PatientName=None, PatientBirthDate=None)
    assert nobody.identity["named"] == ""
    by_name, _ = cleaned(decoder, tmp_path, PatientID="")
    assert by_name.identity["named"] == "yes"
    undated, _ = cleaned(decoder, tmp_path, StudyDate=None)
    assert undated.identity["date"] == ""
    assert undated.identity["exam"].startswith("study-")


def test_anonymous_films_of_two_studies_are_not_taken_for_one_patient(tmp_path: Path, decoder: Decoder) -> None:
    told = {"PatientID": "ANONYMOUS", "PatientName": "Anonymous^", "PatientBirthDate": None}
    first, _ = cleaned(decoder, tmp_path, StudyInstanceUID="1.2.3", **told)
    same, _ = cleaned(decoder, tmp_path, StudyInstanceUID="1.2.3", SOPInstanceUID="1.2.3.9", **told)
    other, _ = cleaned(decoder, tmp_path, StudyInstanceUID="1.2.4", **told)
    assert first.identity["patient"] == same.identity["patient"] != other.identity["patient"]
    assert first.identity["named"] == ""


def test_missing_identifiers_are_made(tmp_path: Path, decoder: Decoder) -> None:
    got, found = cleaned(decoder, tmp_path, SOPInstanceUID=None, StudyInstanceUID="", SOPClassUID=None)
    assert found.SOPInstanceUID.startswith("2.25.")
    assert found.SOPClassUID.name == "Secondary Capture Image Storage"
    assert got.identity["film"] != cleaned(decoder, tmp_path, SOPInstanceUID="1.2.3.4")[0].identity["film"]


def test_the_key_is_made_once_for_its_owner(tmp_path: Path) -> None:
    key = workspace_key(tmp_path)
    assert len(key) == 32
    assert workspace_key(tmp_path) == key != workspace_key(tmp_path / "other")
    path = tmp_path / "films.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [other.name for other in tmp_path.iterdir() if other.is_file()] == ["films.key"]
    path.chmod(0o644)
    with pytest.raises(OutputError, match="chmod 600"):
        workspace_key(tmp_path)
    path.chmod(0o600)
    path.write_text("abc")
    with pytest.raises(OutputError, match="damaged"):
        workspace_key(tmp_path)


def test_keyed_words_differ_by_purpose() -> None:
    assert keyed(KEY, "a", "b") != keyed(KEY, "ab", "") != keyed(KEY, "a", "c")
