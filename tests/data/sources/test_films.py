"""Medical sets: small copies of their published layouts, made here, and the films at hand."""

from __future__ import annotations

import csv
import plistlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain_core.data.annotation import Circle
from explain_core.data.sources import jsrt, load_data
from explain_core.data.sources.inbreast import outlines_of
from explain_core.errors import DataError, ImageError, InputError
from tests.data.sources.writing import RAMP, dicom, grey, save, text

MIAS = (
    "file,ref,tissue,abnormality,severity,x,y_bottom_origin,y_image,radius\n"
    "png/mdb001.png,mdb001,G,CIRC,B,3,1019,4,2\n"
    "png/mdb002.png,mdb002,G,NORM,,,,,\n"
    "png/mdb005.png,mdb005,F,CIRC,B,1,1022,1,1\n"
    "png/mdb005.png,mdb005,F,CALC,M,,,,\n"
)


def test_mias(tmp_path: Path) -> None:
    for ref in ("001", "002", "005"):
        save(tmp_path / "png" / f"mdb{ref}.png", grey())
    text(tmp_path / "annotations.csv", MIAS)
    data = load_data(f"mias:{tmp_path}")
    assert data.classes == ("normal", "benign", "malignant")
    assert [(item.name, item.label, item.patient) for item in data] == [
        ("mdb001", 1, "1"),
        ("mdb002", 0, "1"),
        ("mdb005", 2, "3"),
    ]
    circle, none, spread = (item.annotation for item in data)
    assert circle is not None
    assert none is not None
    assert spread is not None
    assert [(region.name, region.shape) for region in circle.regions] == [("benign", Circle(4, 3, 2))]
    assert none.regions == ()
    assert spread.names == ("benign",)
    assert data[2].flags == ("circ", "calc")


def test_its_own_list_says_the_same(shared_data: Path, tmp_path: Path) -> None:
    from PIL import Image

    folder = shared_data / "mias"
    table = load_data(f"mias:{folder}")
    assert len(table) == 110
    text(tmp_path / "Info.txt", (folder / "Info.txt").read_text(encoding="latin-1"))
    listed = {item.name: item for item in load_data(f"mias:{tmp_path}")}
    for item in table:
        other = listed[item.name]
        assert (item.label, item.patient, item.flags) == (other.label, other.patient, other.flags)
        Image.new("L", (1024, 1024)).save(tmp_path / f"{item.name}.pgm")
        ours, theirs = item.annotation, other.annotation
        assert ours is not None
        assert theirs is not None
        assert [region.shape for region in ours.regions] == [region.shape for region in theirs.regions]
        (tmp_path / f"{item.name}.pgm").unlink()


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({}, "neither"),
        ({"annotations.csv": "file,ref\n"}, "no column"),
        ({"annotations.csv": MIAS.replace(",4,2\n", ",four,2\n")}, "three numbers"),
        ({"annotations.csv": MIAS.replace("png/mdb001", "../mdb001")}, "leads out"),
        ({"annotations.csv": MIAS + "png/mdb001.png,mdb001,G,NORM,,,,,\n"}, "the same name"),
        ({"Info.txt": "nothing here"}, "no films"),
    ],
)
def test_mistakes_in_mias_are_told(tmp_path: Path, files: dict[str, str], match: str) -> None:
    for name, content in files.items():
        text(tmp_path / name, content)
    with pytest.raises(DataError, match=match):
        load_data(f"mias:{tmp_path}")


FILM, ROI, CROP = "image file path", "ROI mask file path", "cropped image file path"
SERIES = "Mass-Training_P_00001_LEFT_CC"


def cbis(folder: Path, *, films: bool = True, **changes: str) -> str:
    """One film with two masses; the second mask lies where its crop should be, under the archive's own name."""
    row = {
        "patient_id": "P_00001", "abnormality type": "mass", "pathology": "BENIGN_WITHOUT_CALLBACK",
        FILM: f"{SERIES}/1.3/1.3.6/000000.dcm", ROI: f"{SERIES}_1/1.3/1.3.6/000001.dcm",
        CROP: f"{SERIES}_1/1.3/1.3.6/000000.dcm\n",
    }  # fmt: skip
    other = row | {"pathology": "MALIGNANT", ROI: f"{SERIES}_2/9/9/000001.dcm", CROP: f"{SERIES}_2/9/9/000000.dcm"}
    with (folder / "mass_case_description_train_set.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerows([row | changes, other])
    if films:
        mask = np.zeros((6, 8), np.uint8)
        mask[2:4, 3:5] = 255
        dicom(folder / SERIES / "1.3" / "1.3.6" / "000000.dcm", RAMP * 85)
        dicom(folder / f"{SERIES}_1" / "1.3" / "1.3.6" / "000001.dcm", mask, depth=8)
        dicom(folder / f"{SERIES}_1" / "1.3" / "1.3.6" / "000000.dcm", RAMP[:2, :2])
        dicom(folder / f"{SERIES}_2" / "07-20-2016" / "1-1.dcm", RAMP[:2, :2])
        dicom(folder / f"{SERIES}_2" / "07-20-2016" / "1-2.dcm", mask.T.copy().T, depth=8)
    return f"cbis:{folder}"


def test_cbis(tmp_path: Path) -> None:
    (item,) = load_data(cbis(tmp_path))
    assert (item.name, item.label, item.patient, item.flags) == (SERIES, 1, "P_00001", ("mass",))
    annotation = item.annotation
    assert annotation is not None
    assert [region.name for region in annotation.regions] == ["benign", "malignant"]
    for region in annotation.regions:
        assert np.array_equal(np.argwhere(region.mask((6, 8))), [[2, 3], [2, 4], [3, 3], [3, 4]])
    assert item.read().pixels.shape == (1, 6, 8)


def test_missing_films_of_cbis_are_told_when_they_are_read(tmp_path: Path) -> None:
    (item,) = load_data(cbis(tmp_path, films=False))
    for read in (item.read, lambda: item.annotation):
        with pytest.raises(DataError, match=SERIES):
            read()


def test_a_missing_mask_of_cbis_is_told(tmp_path: Path) -> None:
    (item,) = load_data(cbis(tmp_path))
    (tmp_path / f"{SERIES}_1" / "1.3" / "1.3.6" / "000001.dcm").unlink()
    with pytest.raises(DataError, match=r"No mask .*_1"):
        _ = item.annotation


@pytest.mark.parametrize(
    ("changes", "match"), [({"pathology": "UNSURE"}, "pathology"), ({FILM: "../../x.dcm"}, "leads out")]
)
def test_mistakes_in_cbis_are_told(tmp_path: Path, changes: dict[str, str], match: str) -> None:
    with pytest.raises(DataError, match=match):
        load_data(cbis(tmp_path, **changes))


def test_cbis_without_tables_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="case_description"):
        load_data(f"cbis:{tmp_path}")


def plist(*regions: tuple[str, list[str]]) -> bytes:
    """A property list as INbreast has it, with its document type."""
    rois = [{"Name": name, "NumberOfPoints": len(points), "Point_px": points} for name, points in regions]
    return plistlib.dumps({"Images": [{"ImageIndex": 0, "NumberOfROIs": len(rois), "ROIs": rois}]})


def inbreast(folder: Path, grade: str = "4a") -> str:
    text(
        folder / "INbreast.csv",
        "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads\n"
        f"removed;removed;R;CC;201001;20586908;3;{grade}\nremoved;removed;R;CC;201001;20586934;3;1\n",
    )
    dicom(folder / "AllDICOMs" / "20586908_6c613a14b80a8591_MG_R_CC_ANON.dcm", RAMP)
    dicom(folder / "AllDICOMs" / "20586934_6c613a14b80a8591_MG_L_CC_ANON.dcm", RAMP)
    (folder / "AllXML").mkdir()
    (folder / "AllXML" / "20586908.xml").write_bytes(
        plist(
            ("Mass", ["(1.5, 0.5)", "(4.5, 0.5)", "(4.5, 3.5)", "(1.5, 3.5)"]),
            ("Calcification", ["(6.2, 4.9)"]),
            ("Calcification", ["(0, 0)"]),
            ("Pectoral Muscle", ["(0, 0)", "(2, 0)", "(0, 2)"]),
        )
    )
    return f"inbreast:{folder}"


def test_inbreast(tmp_path: Path) -> None:
    malignant, normal = load_data(inbreast(tmp_path))
    assert (malignant.name, malignant.label, malignant.patient) == ("20586908", 2, "6c613a14b80a8591")
    assert malignant.patient == normal.patient
    assert normal.label == 0
    found, nothing = malignant.annotation, normal.annotation
    assert found is not None
    assert nothing is not None
    assert nothing.regions == ()
    mass, spots = (region.mask((6, 8)) for region in found.regions)
    expected = np.zeros((6, 8), bool)
    expected[1:4, 2:5] = True
    assert np.array_equal(mass, expected)
    assert np.array_equal(np.argwhere(spots), [[0, 0], [5, 6]])
    assert malignant.read().pixels.shape == (1, 6, 8)


def test_inbreast_as_png(tmp_path: Path) -> None:
    spec = inbreast(tmp_path)
    for path in (tmp_path / "AllDICOMs").iterdir():
        path.unlink()
    save(tmp_path / "AllDICOMs" / "20586908.png", grey())
    first, missing = load_data(spec)
    assert first.patient is None
    assert first.annotation is not None
    with pytest.raises(InputError):
        missing.read()


@pytest.mark.parametrize("grade", ["", "0", "x"])
def test_an_unknown_grade_is_told(tmp_path: Path, grade: str) -> None:
    with pytest.raises(DataError, match="1 to 6"):
        load_data(inbreast(tmp_path, grade))


ENTITY = b'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY e "(1, 2)">]><plist><dict><key>Images</key></dict></plist>'


@pytest.mark.parametrize(
    "data",
    [b"", b"<plist>", ENTITY, plistlib.dumps({}), plistlib.dumps([1]), plist(("Mass", ["(1, 2"])),
     plist(("Mass", ["(1e9, 2)"])), plistlib.dumps({"Images": [{"ROIs": ["x"]}]})],
)  # fmt: skip
def test_bad_outlines_are_told(data: bytes) -> None:
    with pytest.raises(DataError, match="no outline file"):
        list(outlines_of(data, "1.xml"))


@given(st.lists(st.text(max_size=12), max_size=4), st.binary(max_size=60))
def test_any_outlines_are_read_or_a_mistake(points: list[str], data: bytes) -> None:
    for content in (data, plistlib.dumps({"Images": [{"ROIs": [{"Point_px": [p.encode().hex() for p in points]}]}]})):
        with suppress(DataError):
            list(outlines_of(content, "1.xml"))


CLNDAT = (
    "JPCLN001.IMG\t5\t15\t53\tMale\t1634\t692\tmalignant\tl.upper lobe\tlung cancer\n"
    "JPCLN002.IMG\t5\t30.5\t?\tFemale\t1200\t800\tbenign\tr.lower lobe\ttuberculoma\n"
)


def jsrt_folder(folder: Path) -> str:
    raw = np.zeros((2048, 2048), ">u2")
    raw[0, :3] = [0, 4095, 1000]
    folder.joinpath("Nodule").mkdir()
    (folder / "Nodule" / "JPCLN001.IMG").write_bytes(raw.tobytes())
    save(folder / "JPCLN002.png", np.zeros((1024, 1024), np.uint8))
    save(folder / "JPCNN001.png", grey())
    text(folder / "CLNDAT_EN.TXT", CLNDAT)
    return f"jsrt:{folder}"


def test_jsrt(tmp_path: Path) -> None:
    data = load_data(jsrt_folder(tmp_path))
    assert data.classes == ("normal", "nodule")
    assert [(item.name, item.label, item.flags) for item in data] == [
        ("JPCLN001", 1, ("malignant",)),
        ("JPCLN002", 1, ("benign",)),
        ("JPCNN001", 0, ()),
    ]
    pixels = data[0].read().pixels
    assert pixels.shape == (1, 2048, 2048)
    assert np.allclose(pixels[0, 0, :3], [1, 0, 1 - 1000 / 4095])
    raw, half, none = (item.annotation for item in data)
    assert raw is not None
    assert half is not None
    assert none is not None
    assert raw.regions[0].shape == Circle(692, 1634, 15 / 0.175 / 2)
    assert half.regions[0].shape == Circle(399.75, 599.75, 30.5 / 0.175 / 4)  # the centre of 2 × 2 raw pixels
    assert none.regions == ()


def test_jsrt_crops(tmp_path: Path) -> None:
    """Regions lie inside the film, their centre in the nodule; half a film's are half as large; one film, one side."""
    films, crops = load_data(jsrt_folder(tmp_path)), load_data(f"jsrt-crops:{tmp_path},30")
    assert crops.classes == films.classes
    assert [item.label for item in crops] == [1] * 60 + [0] * 30
    whole = films[1].read().pixels
    nodule = films[1].annotation.regions[0].shape  # type: ignore[union-attr]
    assert isinstance(nodule, Circle)
    distances = []
    for item in crops[30:60]:
        marked = item.annotation
        assert marked is not None
        assert marked.size == item.read().pixels.shape[1:] == (128, 128)
        circle = marked.regions[0].shape
        assert isinstance(circle, Circle)
        assert circle.radius == nodule.radius
        top, left = nodule.y - circle.y, nodule.x - circle.x
        assert np.array_equal(item.read().pixels, whole[:, int(top) : int(top) + 128, int(left) : int(left) + 128])
        distances.append(np.hypot(circle.y - 63.5, circle.x - 63.5) / nodule.radius)
    assert max(distances) < 1 + 0.71 / nodule.radius  # a corner is rounded to whole pixels
    assert 0.5 < np.mean(np.square(distances)) * 2 < 1.5  # evenly over a disc: E[r²] = 1/2
    again = load_data(f"jsrt-crops:{tmp_path},2")
    assert np.array_equal(again[3].read().pixels, crops[31].read().pixels)  # film and number tell all
    held_out, learnt = crops.split(0.34, 0)
    assert not {item.patient for item in held_out} & {item.patient for item in learnt}


def test_jsrt_crops_of_normal_films_lie_anywhere(tmp_path: Path) -> None:
    ramp = np.arange(2048, dtype=">u2")[:, None].repeat(2048, 1)
    (tmp_path / "JPCNN001.IMG").write_bytes(ramp.tobytes())
    crops = load_data(f"jsrt-crops:{tmp_path},60")
    tops = [round(4095 * (1 - float(item.read().pixels[0, 0, 0]))) for item in crops]
    assert 0 <= min(tops) < 200
    assert 1600 < max(tops) <= 2048 - 256
    assert not any(item.annotation.regions for item in crops if item.annotation)


def test_jsrt_crops_at_an_edge_are_moved_inside_and_need_the_table(tmp_path: Path) -> None:
    (tmp_path / "JPCLN001.IMG").write_bytes(bytes(2 * 2048 * 2048))
    with pytest.raises(DataError, match="nodule of JPCLN001"):
        load_data(f"jsrt-crops:{tmp_path}")
    text(tmp_path / "CLNDAT_EN.TXT", CLNDAT.replace("1634\t692", "2040\t5"))
    (crop,) = load_data(f"jsrt-crops:{tmp_path}")
    assert crop.annotation is not None
    assert crop.read().pixels.shape == (1, 256, 256)
    assert crop.annotation.regions[0].shape == Circle(5, 2040 - (2048 - 256), 15 / 0.175 / 2)
    with pytest.raises(DataError, match="K from 1 to 9999"):
        load_data(f"jsrt-crops:{tmp_path},0")


def test_a_raw_film_of_another_length_is_told(tmp_path: Path) -> None:
    spec = jsrt_folder(tmp_path)
    (tmp_path / "Nodule" / "JPCLN001.IMG").write_bytes(b"12")
    with pytest.raises(ImageError, match="2 bytes"):
        load_data(spec)[0].read()


@given(st.text(max_size=80))
def test_any_text_places_nodules_or_none(lines: str) -> None:
    assert isinstance(jsrt.parse(lines + CLNDAT), dict)


def test_the_radiograph_at_hand(shared_data: Path) -> None:
    (film,) = load_data(f"jsrt:{shared_data / 'jsrt'}")
    assert (film.name, film.label, film.annotation) == ("JPCLN001", 1, None)


def test_phantoms() -> None:
    data = load_data("phantom:4,2")
    assert data.classes == ("normal", "lesion")
    assert [item.label for item in data] == [0, 1, 0, 1]
    assert len({item.name for item in (*data, *load_data("phantom:4,3"))}) == 8
    marked: list[Any] = [item.annotation for item in data]
    assert [annotation.names for annotation in marked] == [(), ("lesion",)] * 2
    assert data[1].read().pixels.shape == (1, *marked[1].size)
    assert np.array_equal(load_data("phantom:2,2")[1].read().pixels, data[1].read().pixels)


@pytest.mark.parametrize("where", ["0,1", "3", "3,-1", "a,b", "100001,1", "3,1,2", "3,9999999"])
def test_phantoms_that_cannot_be_are_told(where: str) -> None:
    with pytest.raises(DataError, match="phantom:N,SEED"):
        load_data(f"phantom:{where}")


def test_patches_are_lesions_where_a_lesion_shows() -> None:
    data = load_data("phantom-patches:12,3")
    assert data.classes == ("normal", "lesion")
    assert [item.label for item in data][::2] == [0] * 6
    assert 3 <= sum(int(item.label or 0) for item in data) <= 6
    films = {item.name.split()[1] for item in load_data("phantom:12,3")}
    assert not films & {item.name.split()[1] for item in data}
    pixels = data[1].read().pixels
    assert pixels.shape == (1, 112, 112)
    assert np.array_equal(np.rint(pixels * 255) / np.float32(255), pixels)
    assert np.array_equal(load_data("phantom-patches:2,3")[1].read().pixels, pixels)
    with pytest.raises(DataError, match="SEED to 98"):
        load_data("phantom-patches:2,99")
