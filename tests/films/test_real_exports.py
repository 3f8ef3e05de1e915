"""Objects made of the real DICOM files at hand, read back: what was drawn lies where it was, to single precision."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from pydicom import Dataset, dcmread

from explain_core.data.marked import Marked, mask_of
from explain_core.dicom.decode import Decoder
from explain_core.films.exporting import Given, export_object
from explain_core.films.importing import import_folder
from explain_core.films.record import Record, pixel_hash, records
from explain_core.shapes import Box, Ellipse, Freehand, Shape

FILES = ("dcm01.DCM", "462822612.dcm", "notzaki_MG.dcm")


@pytest.fixture(scope="module")
def films(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("gdcm", reason="JPEG Lossless needs the extra [jpeg-lossless]")
    if not (shared_data / "dicom").is_dir():
        pytest.skip("the real films are not here: their folder would be dicom in RHOSCOPE_TEST_DATA")
    made = tmp_path_factory.mktemp("real") / "films"
    with Decoder() as decoder:
        done = import_folder(shared_data / "dicom", made, b"k" * 32, decoder)
    assert (len(done.films), done.faults) == (len(FILES), [])
    return made


@pytest.fixture(scope="module", params=FILES)
def source(request: pytest.FixtureRequest, shared_data: Path) -> Path:
    return Path(shared_data / "dicom" / request.param)


@pytest.fixture(scope="module")
def film(films: Path, source: Path) -> Record:
    sha256 = pixel_hash(dcmread(source).pixel_array)
    return next(one for one in records(films) if one.sha256 == sha256)


def drawn(film: Record) -> list[Marked]:
    """Shapes at odd places, as far from the origin as the film goes."""
    high, wide = film.size
    return [
        Marked(Ellipse(0.7 * wide + 0.25, 0.8 * high + 0.5, 0.15 * wide, 0.06 * high, 33), "mass"),
        Marked(Ellipse(wide - 20.5, high - 30.5, 10.25, 20.125, -75), "in the far corner"),
        Marked(Box(0, 0, wide, high), "all of it"),
        Marked(Box(wide - 40.5, 25, wide - 20.25, 35), "box"),
        Marked(Freehand(((wide - 1.375, 1), (30, 2.5), (0.6 * wide, high - 0.125))), "outline"),
    ]


def off(kind: str, points: Any, shape: Shape) -> float:
    """By how many pixels the graphics lie off a shape."""
    points = np.asarray(points, float).reshape(-1, 2)
    if not isinstance(shape, Ellipse):
        outline = shape.outline()
        assert kind == "POLYLINE"
        return float(np.abs(points - [*outline, outline[0]]).max())
    assert kind == "ELLIPSE"
    ends = ((shape.rx, 0.0), (-shape.rx, 0.0), (0.0, shape.ry), (0.0, -shape.ry))
    turn = math.radians(shape.angle)
    wanted = np.array([
        (shape.cx + x * math.cos(turn) - y * math.sin(turn), shape.cy + x * math.sin(turn) + y * math.cos(turn))
        for x, y in ends
    ])  # fmt: skip
    away = np.hypot(*(points[:, None] - wanted[None]).transpose(2, 0, 1))
    assert sorted(away.argmin(0)) == [0, 1, 2, 3]
    assert math.dist(points[0], points[1]) >= math.dist(points[2], points[3])  # the major axis comes first
    return float(away.min(0).max())


def precision(film: Record) -> float:
    """Half a step of single precision at the film's far side."""
    return float(np.spacing(np.float32(max(film.size))))


def made(kind: str, films: Path, film: Record, out: Path, **what: Any) -> Dataset:
    export_object(kind, films, film, Given(**what), out / f"{kind}.dcm")
    return dcmread(out / f"{kind}.dcm")


def test_a_segmentation_holds_the_pixels(films: Path, film: Record, tmp_path: Path) -> None:
    marked = drawn(film)
    made("seg", films, film, tmp_path, marked=marked)
    seg = highdicom.seg.segread(tmp_path / "seg.dcm")
    found = seg.get_pixels_by_source_instance([film.uids[2]])[0]
    for number, one in enumerate(marked):
        assert np.array_equal(found[..., number], mask_of([one.shape], film.size)), one.name


def test_a_saliency_keeps_256_steps(films: Path, film: Record, tmp_path: Path) -> None:
    values = np.add.outer(np.linspace(0, 0.5, film.size[0]), np.linspace(0, 0.5, film.size[1])).astype(np.float32)
    made("saliency", films, film, tmp_path, values=values)
    seg = highdicom.seg.segread(tmp_path / "saliency.dcm")
    found = seg.get_pixels_by_source_instance([film.uids[2]], rescale_fractional=True)[0, ..., 0]
    assert np.abs(found - values).max() <= 0.5 / 255 + 1e-6


def test_a_report_holds_the_regions(films: Path, film: Record, tmp_path: Path) -> None:
    marked = drawn(film)
    made("sr", films, film, tmp_path, marked=marked)
    groups = highdicom.sr.srread(tmp_path / "sr.dcm").content.get_planar_roi_measurement_groups()
    away = [off(group.roi.graphic_type.value, group.roi.value, one.shape)
            for group, one in zip(groups, marked, strict=True)]  # fmt: skip
    print(f"sr of {film.size[1]} × {film.size[0]}: off by at most {max(away):.2g} pixels")
    assert max(away) <= precision(film)
    assert [group.tracking_identifier[2:] for group in groups] == [one.name for one in marked]
    for group in groups:
        assert group.roi.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == film.uids[2]


def test_a_presentation_state_holds_the_outlines(films: Path, film: Record, source: Path, tmp_path: Path) -> None:
    """Read back with pydicom: highdicom reads no presentation states."""
    marked, told = drawn(film), dcmread(source, stop_before_pixels=True)
    state = made("gsps", films, film, tmp_path, marked=marked)
    (graphics,) = state.GraphicAnnotationSequence
    assert graphics.ReferencedImageSequence[0].ReferencedSOPInstanceUID == film.uids[2]
    away = [off(item.GraphicType, item.GraphicData, one.shape)
            for item, one in zip(graphics.GraphicObjectSequence, marked, strict=True)]  # fmt: skip
    print(f"gsps of {film.size[1]} × {film.size[0]}: off by at most {max(away):.2g} pixels")
    assert max(away) <= precision(film)
    assert {item.GraphicAnnotationUnits for item in graphics.GraphicObjectSequence} == {"PIXEL"}
    (area,) = state.DisplayedAreaSelectionSequence
    assert list(area.DisplayedAreaTopLeftHandCorner) == [1, 1]
    assert list(area.DisplayedAreaBottomRightHandCorner) == [film.size[1], film.size[0]]
    assert state.PresentationLUTShape == ("INVERSE" if told.PhotometricInterpretation == "MONOCHROME1" else "IDENTITY")
    (voi,) = state.SoftcopyVOILUTSequence
    if "VOILUTSequence" in told:
        assert [item.LUTDescriptor for item in voi.VOILUTSequence] == [
            item.LUTDescriptor for item in told.VOILUTSequence
        ]
    else:
        assert (voi.WindowCenter, voi.WindowWidth) == (told.WindowCenter, told.WindowWidth)
