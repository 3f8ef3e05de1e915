"""SEG, GSPS and SR of a film: read back with highdicom, coordinates and identifiers are those that went in."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes

from cli import main
from explain_core.data.marked import Code, Marked, marked_record, mask_of, on_film
from explain_core.dicom.decode import Decoder
from explain_core.dicom.objects.base import graphic
from explain_core.dicom.objects.sr import Observer
from explain_core.errors import DataError, InputError
from explain_core.films import commands
from explain_core.films.exporting import OBJECTS, Given, export_object, film_map, read_map, unit_map
from explain_core.films.importing import import_folder
from explain_core.films.record import Record, records
from explain_core.shapes import Box, Ellipse, Freehand, Shape
from tests.dicom.making import film, saved, table

SIZE = (64, 48)
MASS = Code("129788004", "SCT", "Mammographic breast mass")
TURNED = Marked(Ellipse(20.25, 30.5, 10, 5, 30), "größer", MASS)
REGIONS = (
    TURNED,
    Marked(Ellipse(24, 32, 4, 9, -75)),
    Marked(Ellipse(5, 59, 5, 5, 0), "in the corner"),
    Marked(Box(0, 0, 48, 64), "all of it"),
    Marked(Box(4, 25, 20.5, 35), "box"),
    Marked(Freehand(((1, 1), (30, 2.5), (7, 20.125))), "outline"),
)
OVER = Marked(Ellipse(2, 3, 10, 5, 30), "over the edge")
OFF = Marked(Ellipse(80, 30, 10, 5, 0), "off")


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as started:
        yield started


@pytest.fixture(scope="module")
def films(decoder: Decoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MONOCHROME1 film from a DICOM file, one with burned-in text, and a plain picture."""
    folder = tmp_path_factory.mktemp("exporting")
    saved(folder / "in" / "a.dcm", film(PhotometricInterpretation="MONOCHROME1"))
    saved(folder / "in" / "b.dcm", film(SOPInstanceUID="1.2.3.2", BurnedInAnnotation="YES"))
    Image.fromarray(np.arange(64 * 48, dtype=np.uint8).reshape(SIZE)).save(folder / "in" / "P1_L_CC.png")
    import_folder(folder / "in", folder / "films", b"k" * 32, decoder)
    return folder / "films"


@pytest.fixture(scope="module")
def record(films: Path) -> Record:
    return next(one for one in records(films) if one.kind != "picture")


def made(kind: str, films: Path, record: Record, out: Path, **what: Any) -> Dataset:
    export_object(kind, films, record, Given(**what), out / f"{kind}.dcm")
    assert [path.name for path in out.iterdir()] == [f"{kind}.dcm"]
    return dcmread(out / f"{kind}.dcm")


def same_ellipse(points: Any, ellipse: Ellipse) -> bool:
    """Major axis first; single precision."""
    long, short = math.dist(points[0], points[1]) / 2, math.dist(points[2], points[3]) / 2
    turn = math.degrees(math.atan2(points[0][1] - points[1][1], points[0][0] - points[1][0]))
    wanted = ellipse.angle + (90 if ellipse.ry > ellipse.rx else 0)
    centre = np.mean(points, axis=0)
    return bool(
        np.allclose(centre, (ellipse.cx, ellipse.cy), atol=1e-5)
        and np.allclose((long, short), sorted((ellipse.rx, ellipse.ry), reverse=True), atol=1e-5)
        and (long == pytest.approx(short) or math.isclose((turn - wanted + 90) % 180, 90, abs_tol=1e-3))
    )


def same(kind: str, points: Any, shape: Shape) -> bool:
    if isinstance(shape, Ellipse):
        return kind == "ELLIPSE" and same_ellipse(points, shape)
    outline = shape.outline()
    return kind == "POLYLINE" and np.array_equal(points, [*outline, outline[0]])


def test_a_segmentation_holds_the_pixels(films: Path, record: Record, tmp_path: Path) -> None:
    made("seg", films, record, tmp_path, marked=REGIONS)
    seg = highdicom.seg.segread(tmp_path / "seg.dcm")
    assert (seg.segmentation_type.value, seg.number_of_segments) == ("BINARY", len(REGIONS))
    found = seg.get_pixels_by_source_instance([record.uids[2]])[0]
    for number, marked in enumerate(REGIONS):
        assert np.array_equal(found[..., number], mask_of([marked.shape], SIZE))
    first, second = seg.get_segment_description(1), seg.get_segment_description(2)
    assert first.segment_label == "1 größer"
    assert first.segmented_property_type.value == MASS.value
    assert second.segmented_property_type.meaning == "Selected region"
    assert first.algorithm_type.value == "MANUAL"


def test_a_saliency_keeps_256_steps(films: Path, record: Record, tmp_path: Path) -> None:
    values = np.linspace(0, 1, 64 * 48, dtype=np.float32).reshape(SIZE)
    seg_file = made("saliency", films, record, tmp_path, values=values, title="Grad-CAM")
    seg = highdicom.seg.segread(tmp_path / "saliency.dcm")
    assert (seg.segmentation_type.value, seg.segmentation_fractional_type.value) == ("FRACTIONAL", "OCCUPANCY")
    found = seg.get_pixels_by_source_instance([record.uids[2]], rescale_fractional=True)[0, ..., 0]
    assert np.abs(found - values).max() <= 0.5 / 255 + 1e-6
    assert seg.get_segment_description(1).segmented_property_type.meaning == "Saliency"
    assert "no probability" in seg_file.ContentDescription


def test_a_presentation_state_holds_the_outlines(films: Path, record: Record, tmp_path: Path) -> None:
    state = made("gsps", films, record, tmp_path, marked=REGIONS)
    (drawn,) = state.GraphicAnnotationSequence
    assert drawn.ReferencedImageSequence[0].ReferencedSOPInstanceUID == record.uids[2]
    for item, marked in zip(drawn.GraphicObjectSequence, REGIONS, strict=True):
        assert item.GraphicAnnotationUnits == "PIXEL"
        assert same(item.GraphicType, np.array(item.GraphicData).reshape(-1, 2), marked.shape)
    assert [item.UnformattedTextValue for item in drawn.TextObjectSequence][:2] == ["1 größer", "2 region"]
    assert state.PresentationLUTShape == "INVERSE"
    voi = state.SoftcopyVOILUTSequence[0]
    assert (list(voi.WindowCenter), list(voi.WindowWidth)) == ([2048, 1000], [4096, 500])
    assert list(state.DisplayedAreaSelectionSequence[0].DisplayedAreaBottomRightHandCorner) == [48, 64]


def test_a_report_holds_the_regions(films: Path, record: Record, tmp_path: Path) -> None:
    file = made("sr", films, record, tmp_path, marked=REGIONS, observer=Observer("reader-2", "the study"))
    report = highdicom.sr.srread(tmp_path / "sr.dcm")
    groups = report.content.get_planar_roi_measurement_groups()
    for group, marked in zip(groups, REGIONS, strict=True):
        region = group.roi
        assert same(region.graphic_type.value, region.value, marked.shape)
        assert region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == record.uids[2]
    assert [group.tracking_identifier for group in groups][:2] == ["1 größer", "2 region"]
    assert [group.finding_type.value for group in groups][:2] == [MASS.value, "111099"]
    (person,) = report.content.get_observer_contexts(observer_type=codes.DCM.Person)
    assert str(person.observer_identifying_attributes.name) == "reader-2^"
    assert (file.VerificationFlag, file.PreliminaryFlag) == ("VERIFIED", "PRELIMINARY")


def test_nobody_has_verified_what_nobody_signed(films: Path, record: Record, tmp_path: Path) -> None:
    file = made("sr", films, record, tmp_path, marked=[TURNED], observer=Observer("reader-2"))
    assert file.VerificationFlag == "UNVERIFIED"
    report = made("sr", films, record, tmp_path, marked=[TURNED])
    assert not highdicom.sr.srread(tmp_path / "sr.dcm").content.get_observer_contexts(observer_type=codes.DCM.Person)
    assert "VerifyingObserverSequence" not in report


@pytest.mark.parametrize("kind", OBJECTS)
def test_objects_belong_to_the_film_and_name_nobody(kind: str, films: Path, record: Record, tmp_path: Path) -> None:
    values = np.full(SIZE, 0.5, np.float32)
    file = made(kind, films, record, tmp_path, marked=[TURNED], values=values)
    assert (file.PatientID, str(file.PatientName)) == (record.patient, record.patient)
    assert file.StudyInstanceUID == record.uids[0]
    assert file.SeriesInstanceUID != record.uids[1]
    assert file.PatientIdentityRemoved == "YES"
    assert record.uids[2].encode() in (tmp_path / f"{kind}.dcm").read_bytes()
    assert "Research use only" in str(file)
    assert b"Doe" not in (tmp_path / f"{kind}.dcm").read_bytes()


def test_what_hangs_over_is_cut_off(films: Path, record: Record, tmp_path: Path) -> None:
    """The standard allows no point off the film; the area on it stays."""
    kind, points = graphic(OVER, SIZE)
    assert kind == "POLYLINE"
    assert points.min() == 0
    kept = mask_of([Freehand(tuple(map(tuple, points[:-1].tolist())))], SIZE)
    assert (kept != mask_of([OVER.shape], SIZE)).sum() <= 1
    made("gsps", films, record, tmp_path, marked=[OVER])


def _modality_table() -> Dataset:
    made = table(list(range(4096)), 0, 12)
    made.ModalityLUTType = "US"
    return made


@pytest.mark.parametrize("kind", OBJECTS)
@pytest.mark.parametrize(
    "header",
    [
        {"Modality": None},
        {"PixelSpacing": [0.07, 0.07], "ImagerPixelSpacing": None},
        {"VOILUTSequence": [table(list(range(4096)), 0, 12)]},
        {"ModalityLUTSequence": [_modality_table()]},
        {"WindowCenter": None, "WindowWidth": None, "RescaleSlope": 2, "RescaleIntercept": -5},
        {"PatientOrientation": None, "ImageLaterality": None, "ViewPosition": None},
    ],
    ids=str,
)
def test_headers_as_real_films_have_them(kind: str, header: dict[str, Any], decoder: Decoder, tmp_path: Path) -> None:
    saved(tmp_path / "in" / "a.dcm", film(**header))
    (one,) = import_folder(tmp_path / "in", tmp_path / "films", b"k" * 32, decoder).films
    out = tmp_path / f"{kind}.dcm"
    export_object(kind, tmp_path / "films", one, Given([TURNED], np.full(SIZE, 0.5, np.float32)), out)
    made = dcmread(out)
    assert made.StudyInstanceUID == one.uids[0]
    if kind == "gsps":
        (voi,) = made.get("SoftcopyVOILUTSequence", [None])
        assert ("VOILUTSequence" in header) == (voi is not None and "VOILUTSequence" in voi)
        if "VOILUTSequence" in header:
            assert [item.LUTDescriptor for item in voi.VOILUTSequence] == [[4096, 0, 12]]
        if "ModalityLUTSequence" in header:
            assert [item.LUTDescriptor for item in made.ModalityLUTSequence] == [[4096, 0, 12]]


@pytest.mark.parametrize(
    ("header", "spacing", "ratio"),
    [
        ({"PixelSpacing": [0.1, 0.05]}, [0.1, 0.05], None),
        ({"ImagerPixelSpacing": [0.08, 0.07]}, [0.08, 0.07], None),
        ({"ImagerPixelSpacing": None, "PixelAspectRatio": [3, 2]}, None, [3, 2]),
        ({"ImagerPixelSpacing": None}, None, [1, 1]),
        ({"ImagerPixelSpacing": [0, 0]}, None, [1, 1]),
    ],
    ids=str,
)
def test_pixels_keep_their_proportions(
    header: dict[str, Any], spacing: list[float] | None, ratio: list[int] | None, decoder: Decoder, tmp_path: Path
) -> None:
    saved(tmp_path / "in" / "a.dcm", film(**header))
    (one,) = import_folder(tmp_path / "in", tmp_path / "films", b"k" * 32, decoder).films
    (tmp_path / "out").mkdir()
    area = made("gsps", tmp_path / "films", one, tmp_path / "out", marked=[TURNED]).DisplayedAreaSelectionSequence[0]
    assert area.get("PresentationPixelSpacing") == spacing
    assert area.get("PresentationPixelAspectRatio") == ratio


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.floats(-70, 120)] * 2, *[st.floats(0.5, 60)] * 2, st.floats(-360, 360)))
def test_every_ellipse_is_graphics_on_the_film_or_refused(numbers: Sequence[float]) -> None:
    ellipse = Ellipse(*numbers)
    try:
        kind, points = graphic(Marked(ellipse), SIZE)
    except InputError:
        assert not mask_of([ellipse], SIZE).any()
        return
    assert points.min() >= 0
    assert (points <= (48, 64)).all()
    assert kind == "POLYLINE" or same_ellipse(points, ellipse)


@pytest.mark.parametrize("kind", ["seg", "gsps", "sr"])
def test_a_region_off_the_film_is_refused(kind: str, films: Path, record: Record, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="drawn on another one"):
        export_object(kind, films, record, Given([TURNED, OFF]), tmp_path / "x.dcm")
    with pytest.raises(InputError, match="no region of this film"):
        export_object(kind, films, record, Given(), tmp_path / "x.dcm")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.zeros((48, 64)), "place it on the film's grid"),
        (np.full(SIZE, np.nan), "outside"),
        (np.full(SIZE, -0.1), "outside"),
        (np.full(SIZE, 1.1), "outside"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(films: Path, record: Record, tmp_path: Path, values: Any, why: str) -> None:
    with pytest.raises(InputError, match=why):
        export_object("saliency", films, record, Given(values=values.astype(np.float32)), tmp_path / "x.dcm")


def test_films_without_identifiers_or_in_quarantine_are_refused(films: Path, tmp_path: Path) -> None:
    picture = next(one for one in records(films) if one.kind == "picture")
    (held,) = records(films, quarantined=True)
    with pytest.raises(InputError, match="plain picture"):
        export_object("sr", films, picture, Given([TURNED]), tmp_path / "x.dcm")
    with pytest.raises(InputError, match="quarantine"):
        export_object("sr", films, held, Given([TURNED]), tmp_path / "x.dcm")
    with pytest.raises(InputError, match="did you mean 'gsps'"):
        export_object("gspd", films, picture, Given([TURNED]), tmp_path / "x.dcm")
    gone = Record(**{**vars(picture), "uids": ("1", "2", "3"), "file": "gone.dcm"})
    with pytest.raises(DataError, match="import it again"):
        export_object("sr", films, gone, Given([TURNED]), tmp_path / "x.dcm")


def test_maps_are_read_without_running_anything(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[0, -2], [1, 0.5]]))
    assert unit_map(read_map(tmp_path / "a.npy")).tolist() == [[0, 1], [0.5, 0.25]]
    np.savez(tmp_path / "a.npz", saliency=np.ones((2, 3), np.float32))
    assert read_map(tmp_path / "a.npz").shape == (2, 3)
    np.save(tmp_path / "evil.npy", np.array([[object()]]), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:40])
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "flat.npy", np.ones(4))
    for name in ("evil.npy", "cut.npy", "text.npy", "flat.npy", "none.npy"):
        with pytest.raises(InputError):
            read_map(tmp_path / name)
    with pytest.raises(InputError, match="0 everywhere"):
        unit_map(np.zeros((2, 2), np.float32))


def test_a_map_comes_back_from_what_the_network_saw(films: Path, record: Record, tmp_path: Path) -> None:
    """Half the size, of the middle of the film, mirrored: a spot goes where it belongs."""
    spot = np.zeros((16, 16), np.float32)
    spot[2, 3] = 1
    (tmp_path / "ex" / "a").mkdir(parents=True)
    np.savez(tmp_path / "ex" / "a" / "ape.npz", saliency=spot)
    seen = {"size": SIZE, "top": 16.0, "left": 8.0, "height": 32.0, "width": 32.0, "mirrored": True}
    line = {"file": "a/ape.npz", "method": "ape", "image_sha256": record.sha256, "seen": seen}
    ledger, file = tmp_path / "ex" / "explanations.jsonl", tmp_path / "ex" / "a" / "ape.npz"
    ledger.write_text(json.dumps(line))
    values, origin = film_map(file, record)
    rows, columns = np.nonzero(values)
    assert origin["method"] == "ape"
    assert (rows.min() + rows.max() + 1) / 2 == 16 + 2 * 2.5
    assert (columns.min() + columns.max() + 1) / 2 == 48 - (8 + 2 * 3.5)
    ledger.write_text(json.dumps({**line, "image_sha256": "another"}))
    with pytest.raises(InputError, match=f"not of film {record.film}"):
        film_map(file, record)
    for wrong in ({**seen, "size": 3}, {**seen, "height": 0.0}, {"mirrored": False}, [1]):
        ledger.write_text(json.dumps({**line, "seen": wrong}))
        with pytest.raises(InputError):
            film_map(file, record)
    ledger.unlink()
    with pytest.raises(InputError, match="place it on its grid"):
        film_map(file, record)


def test_an_outline_is_cut_where_the_film_ends() -> None:
    assert on_film(Box(-3, -2, 10, 5), SIZE) == [(0, 0), (10, 0), (10, 5), (0, 5)]
    assert sorted(on_film(Box(40, 60, 90, 90), SIZE)) == [(40, 60), (40, 64), (48, 60), (48, 64)]
    eight = Freehand(((10, 10), (30, 30), (30, 10), (10, 30)))
    assert on_film(eight, SIZE) == eight.outline()
    with pytest.raises(InputError, match="off the film"):
        on_film(Box(48, 0, 60, 5), SIZE)


def test_from_a_shell(
    films: Path, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "films_folder", lambda: films)
    regions, out = tmp_path / "regions.json", tmp_path / "out.dcm"
    regions.write_text(json.dumps([marked_record(one) for one in REGIONS]), encoding="utf-8")
    asked = ["dicom", "export", record.film, "--kind", "gsps", "--regions", str(regions), "--out", str(out)]
    assert main(asked) == 0
    assert len(dcmread(out).GraphicAnnotationSequence[0].GraphicObjectSequence) == len(REGIONS)
    np.save(tmp_path / "map.npy", np.random.default_rng(0).normal(size=SIZE))
    shown = ["--map", str(tmp_path / "map.npy"), "--title", "APE"]
    assert main(["dicom", "export", record.film, "--kind", "saliency", *shown, "--out", str(out)]) == 0
    assert dcmread(out).SegmentSequence[0].SegmentLabel == "APE"
    capsys.readouterr()
    assert main(["dicom", "export", record.film, "--kind", "sr", "--out", str(out)]) == 2
    assert "--regions" in capsys.readouterr().err
