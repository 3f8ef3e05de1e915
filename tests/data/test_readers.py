"""Annotation files in the data sets' own formats: regions where they belong, and damaged files refused."""

from __future__ import annotations

import csv
import json
import os
import plistlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cli import main
from explain_core.data.annotation import Annotation, Circle, Region
from explain_core.data.marked import Marked, mask_of, read_marked
from explain_core.data.readers import READERS, Marks, get_reader
from explain_core.data.readers.base import outlines
from explain_core.data.sources.mias import findings_of
from explain_core.dicom.decode import Decoder
from explain_core.errors import DataError, ImageError, InputError
from explain_core.films import commands
from explain_core.films.importing import import_folder
from explain_core.films.record import records
from explain_core.films.taking import take
from explain_core.shapes import Box, Ellipse, Freehand
from tests.dicom.making import VALUES, film, saved

INFO = """mdb001 G CIRC B 535 425 197
mdb003 D NORM
mdb059 F CIRC B
mdb132 F CIRC B 252 788 52
mdb132 F CIRC B 335 766 18
"""
VINDR = (
    "study_id", "series_id", "image_id", "laterality", "view_position", "height", "width", "breast_birads",
    "breast_density", "finding_categories", "finding_birads", "xmin", "ymin", "xmax", "ymax", "split",
)  # fmt: skip
CBIS = (
    "patient_id", "breast_density", "left or right breast", "image view", "abnormality id", "abnormality type",
    "mass shape", "mass margins", "assessment", "pathology", "subtlety", "image file path", "cropped image file path",
    "ROI mask file path",
)  # fmt: skip


def table(path: Path, columns: tuple[str, ...], *rows: Mapping[str, Any]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({name: row.get(name, "") for name in columns} for row in rows)
    return path


def vindr_row(image: str, categories: str, *corners: float, **changes: Any) -> dict[str, Any]:
    told = {
        "study_id": "s", "image_id": image, "laterality": "L", "view_position": "CC", "height": 64, "width": 48,
        "breast_birads": "BI-RADS 4", "breast_density": "DENSITY C", "finding_categories": categories,
        "finding_birads": "BI-RADS 4" if corners else "", "split": "training",
    }  # fmt: skip
    return {**told, **dict(zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=False)), **changes}


def vindr(path: Path) -> Path:
    return table(
        path / "finding_annotations.csv", VINDR,
        vindr_row("4e3a5", "['Mass']", 10.5, 20.25, 30.0, 41.125),
        vindr_row("4e3a5", "['Mass', 'Skin Retraction']", 1, 2, 3, 4),
        vindr_row("0f1b2", "['No Finding']"),
    )  # fmt: skip


def inbreast(path: Path, **rois: list[str]) -> Path:
    told = [
        {"Area": 1.0, "Index_in_image": 0, "Name": name, "NumberOfPoints": len(points), "Point_px": points}
        for name, points in rois.items()
    ]
    data = plistlib.dumps({"Images": [{"ImageIndex": 0, "NumberOfROIs": len(told), "ROIs": told}]})
    named = data.replace(b"<plist version", b"<!-- as OsiriX writes it -->\n<plist version")
    (path / "20586908.xml").write_bytes(named)
    return path / "20586908.xml"


def cbis(path: Path) -> Path:
    """A film whose mask and crop lie in each other's place, as in the archive."""
    names = {"image file path": "Mass-Training_P_00001_LEFT_CC/1.3/1.4/000000.dcm",
             "ROI mask file path": "Mass-Training_P_00001_LEFT_CC_1/1.5/1.6/000001.dcm",
             "cropped image file path": "Mass-Training_P_00001_LEFT_CC_1/1.5/1.6/000000.dcm"}  # fmt: skip
    mask = np.zeros((64, 48), np.uint8)
    mask[10:30, 20:40], mask[50, 5] = 255, 255
    saved(path / names["image file path"], film())
    saved(path / names["cropped image file path"], film(mask))
    saved(path / names["ROI mask file path"], film(np.full((20, 20), 9, np.uint8)))
    row = {"patient_id": "P_00001", "abnormality type": "mass", "pathology": "MALIGNANT", **names}
    return table(path / "mass_case_description_train_set.csv", CBIS, row)


def info(path: Path) -> Path:
    (path / "Info.txt").write_text(INFO)
    return path / "Info.txt"


def test_mias_counts_rows_from_below(tmp_path: Path) -> None:
    found = {one.picture: one for one in READERS["mias"].read(info(tmp_path))}
    (first,) = found["mdb001"].regions
    assert first.shape == Ellipse(535.5, 1023 - 425 + 0.5, 197, 197, 0)
    assert (first.name, first.code and first.code.meaning) == ("CIRC benign", "Mammographic breast mass")
    assert [len(found[name].regions) for name in ("mdb003", "mdb059", "mdb132")] == [0, 0, 2]
    assert found["mdb001"].size == (1024, 1024)


def test_a_mias_circle_is_the_mask_that_metrics_use(tmp_path: Path) -> None:
    """The other type counts from the first pixel's centre."""
    (drawn,) = READERS["mias"].read(info(tmp_path))[0].regions
    region = Region("benign", Circle(598, 535, 197))
    size = (1024, 1024)
    assert np.array_equal(mask_of([drawn.shape], size), Annotation(size, (region,)).mask())


def test_vindr_boxes(tmp_path: Path) -> None:
    mass, none = READERS["vindr"].read(vindr(tmp_path))
    assert (mass.picture, mass.size, none.picture, none.regions) == ("4e3a5", (64, 48), "0f1b2", ())
    assert [one.shape for one in mass.regions] == [Box(10.5, 20.25, 30, 41.125), Box(1, 2, 3, 4)]
    assert [one.name for one in mass.regions] == ["Mass, BI-RADS 4", "Mass, Skin Retraction, BI-RADS 4"]
    assert [bool(one.code) for one in mass.regions] == [True, False]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"finding_categories": "Mass"}, "a list of names"),
        ({"finding_categories": "__import__('os').getcwd()"}, "a list of names"),
        ({"finding_categories": "[" * 500}, "a list of names"),
        ({"xmin": "nan"}, "left is no number"),
        ({"xmin": "40"}, "both above 0"),
        ({"ymax": ""}, "must be numbers"),
        ({"height": "tall"}, "48 × tall"),
    ],
)
def test_vindr_rows_that_cannot_be(tmp_path: Path, changes: dict[str, str], why: str) -> None:
    path = table(tmp_path / "f.csv", VINDR, vindr_row("4e3a5", "['Mass']", 10, 20, 30, 40, **changes))
    with pytest.raises(DataError, match=why):
        READERS["vindr"].read(path)


def test_inbreast_outlines_and_single_points(tmp_path: Path) -> None:
    square = ["(10.0, 20.0)", "(30.0, 20.0)", "(30.0, 40.0)", "(10.0, 40.0)"]
    rois = {"Mass": square, "Calcification": ["(5.000000, 6.250000)"], "Pectoral Muscle": square}
    (one,) = READERS["inbreast"].read(inbreast(tmp_path, **rois))
    assert one.picture == "20586908"
    outline, dot = one.regions
    assert outline.shape == Freehand(((10.5, 20.5), (30.5, 20.5), (30.5, 40.5), (10.5, 40.5)))
    assert dot.shape == Ellipse(5.5, 6.75, 0.5, 0.5, 0)
    assert [region.name for region in one.regions] == ["Mass", "Calcification"]
    assert [marks.picture for marks in READERS["inbreast"].read(tmp_path)] == ["20586908"]


def test_a_cbis_mask_becomes_outlines_with_its_pixels(tmp_path: Path) -> None:
    (one,) = READERS["cbis"].read(cbis(tmp_path))
    assert (one.picture, one.size, len(one.regions)) == ("Mass-Training_P_00001_LEFT_CC", (64, 48), 2)
    wanted = np.zeros((64, 48), bool)
    wanted[10:30, 20:40] = wanted[50, 5] = True
    assert np.array_equal(mask_of([region.shape for region in one.regions], (64, 48)), wanted)
    assert {region.name for region in one.regions} == {"mass malignant"}


def test_cbis_tells_which_mask_is_missing(tmp_path: Path) -> None:
    path = cbis(tmp_path)
    for mask in (tmp_path / "Mass-Training_P_00001_LEFT_CC_1").rglob("*.dcm"):
        mask.unlink()
    (one,) = READERS["cbis"].read(path)
    assert one.regions == ()
    assert "finding 1: no mask of the film's size" in one.notes[0]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95), st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_outlines_enclose_the_same_pixels(seed: int, share: float, size: tuple[int, int]) -> None:
    mask = np.random.default_rng(seed).random(size) < share
    found, filled = outlines(mask)
    again = mask_of(found, size)
    assert filled or np.array_equal(again, mask)
    assert (again | ~mask).all()


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "mias": info, "vindr": vindr, "cbis": cbis,
    "inbreast": lambda path: inbreast(path, Mass=["(1, 2)", "(3.5, 4)", "(5, 1e2)"]),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_files_are_read_or_refused(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = SAMPLES[name](tmp_path_factory.mktemp(name))
    if name == "cbis":  # its films are decoded elsewhere, and that is tested there
        path = path.rename(path.parent.parent / f"{path.parent.name}.csv")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    path.write_bytes(content)
    try:
        found = READERS[name].read(path)
    except (DataError, ImageError):
        return
    assert all(isinstance(one, Marks) and all(isinstance(m, Marked) for m in one.regions) for one in found)


@pytest.mark.parametrize("name", READERS)
def test_files_of_another_kind_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "picture").write_bytes(bytes(range(256)))
    for path in (tmp_path / "empty.csv", tmp_path / "picture", tmp_path / "none"):
        with pytest.raises(DataError):
            READERS[name].read(path)
    with pytest.raises(InputError, match="did you mean 'vindr'"):
        get_reader("vindir")


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as started:
        yield started


@pytest.fixture(scope="module")
def taken(decoder: Decoder, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of pictures, and the films that they became."""
    folder = tmp_path_factory.mktemp("taken")
    saved(folder / "in" / "study" / "4e3a5.dicom", film())
    saved(folder / "in" / "20586908_6c613a_MG_R_CC_ANON.dcm", film(VALUES[::-1].copy(), SOPInstanceUID="1.2.3.7"))
    Image.fromarray(np.zeros((1024, 1024), np.uint8)).save(folder / "in" / "mdb001.png")
    import_folder(folder / "in", folder / "films", b"k" * 32, decoder)
    return folder / "in", folder / "films"


def test_regions_find_their_film(taken: tuple[Path, Path], decoder: Decoder, tmp_path: Path) -> None:
    pictures, films = taken
    marks = [
        *READERS["vindr"].read(vindr(tmp_path)), *READERS["mias"].read(info(tmp_path))[:2],
        *READERS["inbreast"].read(inbreast(tmp_path, Mass=["(1, 2)", "(9, 4)", "(5, 10)"], Cluster=["(900, 1)"])),
    ]  # fmt: skip
    found = list(take(marks, pictures, films, decoder))
    names = {one.marks.picture: one.film for one in found if one.film}
    stored = {one.film: one.open(films).stored for one in records(films)}
    assert np.array_equal(stored[names["4e3a5"]], VALUES)
    assert np.array_equal(stored[names["20586908"]], VALUES[::-1])
    assert stored[names["mdb001"]].shape == (1024, 1024)
    assert set(names) == {"4e3a5", "20586908", "mdb001"}
    notes = {one.marks.picture: one.marks.notes for one in found}
    assert notes["0f1b2"] == ("no picture of this name is there",)
    assert notes["20586908"] == ("1 regions lie off the film and are left out",)


def test_annotations_of_another_size_are_not_taken(taken: tuple[Path, Path], decoder: Decoder, tmp_path: Path) -> None:
    row = vindr_row("4e3a5", "['Mass']", 10, 20, 30, 40, height=3518, width=2800)
    marks = READERS["vindr"].read(table(tmp_path / "f.csv", VINDR, row))
    (one,) = take(marks, taken[0], taken[1], decoder)
    assert one.marks.regions == ()
    assert "2800 × 3518 pixels, the film has 48 × 64" in one.marks.notes[0]


def test_from_a_shell(
    taken: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "films_folder", lambda: taken[1])
    out = tmp_path / "regions.jsonl"
    asked = ["dicom", "annotations", "vindr", str(vindr(tmp_path)), "--pictures", str(taken[0]), "--out", str(out)]
    assert main(asked) == 0
    said = capsys.readouterr()
    assert said.out == "2 pictures, 2 regions, 1 found among the films\n"
    assert "0f1b2: no picture" in said.err
    name = json.loads(out.read_text().splitlines()[0])["film"]
    assert len(read_marked(out.read_text(), name)) == 2
    state = tmp_path / "state.dcm"
    assert main(["dicom", "export", name, "--kind", "gsps", "--regions", str(out), "--out", str(state)]) == 0
    assert main(["dicom", "annotations", "mias", str(info(tmp_path))]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["picture"] == "mdb001"


def test_the_mias_films_at_hand() -> None:
    """Each circle is the mask that metrics use, on the real list."""
    folder = Path(os.environ.get("RHOSCOPE_TEST_DATA", "../shared/data")) / "mias"
    if not (folder / "annotations.csv").is_file():
        pytest.skip("no mini-MIAS at $RHOSCOPE_TEST_DATA")
    found = READERS["mias"].read(folder / "annotations.csv")
    circles = [(one.ref, one.circle) for one in findings_of(folder / "annotations.csv") if one.circle]
    regions = [(one.picture, region.shape) for one in found for region in one.regions]
    assert [name for name, _ in regions] == [name for name, _ in circles]
    assert len(regions) > 50
    for (_, drawn), (_, circle) in zip(regions, circles, strict=True):
        assert np.array_equal(mask_of([drawn], (1024, 1024)), Region("", circle).mask((1024, 1024)))
