"""VOC and ImageNet: boxes where they are, and XML that is refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain_core.data.annotation import Box
from explain_core.data.sources import load_data
from explain_core.data.sources.boxes import IMAGENET_ORIGIN, VOC_ORIGIN, parse
from explain_core.errors import DataError
from tests.data.sources.writing import grey, save, text


def xml(*objects: tuple[str, tuple[float, float, float, float], int], height: int = 6, width: int = 8) -> str:
    """An annotation; boxes are xmin, ymin, xmax, ymax."""
    inside = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{box[0]}</xmin>"
        f"<ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
        for name, box, difficult in objects
    )
    return f"<annotation><size><width>{width}</width><height>{height}</height></size>{inside}</annotation>"


def test_voc_counts_from_one() -> None:
    found = parse(xml(("dog", (1, 2, 8, 6), 0), ("cat", (3, 3, 3, 3), 1)).encode(), "a.xml", VOC_ORIGIN)
    assert found.size == (6, 8)
    assert [region.shape for region in found.regions] == [Box(1, 0, 5, 7), Box(2, 2, 2, 2)]
    assert [region.difficult for region in found.regions] == [False, True]
    assert found.regions[0].mask(found.size).sum() == 5 * 8


def test_imagenet_counts_from_zero_and_is_cut_at_the_edge() -> None:
    found = parse(xml(("n1", (0, 0, 8, 6), 0)).encode(), "a.xml", IMAGENET_ORIGIN)
    assert found.regions[0].shape == Box(0, 0, 5, 7)


BOXES = st.tuples(st.integers(1, 8), st.integers(1, 6), st.integers(1, 8), st.integers(1, 6))


@given(BOXES)
def test_every_box_covers_its_pixels(box: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = box
    data = xml(("dog", box, 0)).encode()
    if x1 < x0 or y1 < y0:
        with pytest.raises(DataError, match="corners"):
            parse(data, "a.xml", VOC_ORIGIN)
        return
    mask = parse(data, "a.xml", VOC_ORIGIN).mask()
    assert mask.sum() == (x1 - x0 + 1) * (y1 - y0 + 1)
    assert mask[y0 - 1, x0 - 1]
    assert mask[y1 - 1, x1 - 1]


ENTITIES = '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + xml(("&e;", (1, 1, 2, 2), 0))


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ("", "no XML"),
        ("<annotation>", "no XML"),
        ("<?xml version='1.0' encoding='none'?><a/>", "no XML"),
        (ENTITIES, "document type"),
        ("<!DOCTYPE annotation>" + xml(), "document type"),
        ("<annotation/>", "size/height"),
        (xml(height=0), "positive"),
        (xml(("dog", (1, 1, float("nan"), 2), 0)), "xmax"),
        (xml(("dog", (20, 1, 30, 2), 0)), "corners"),
        (xml(("dog", (1, 1, 2, 2), 0)).replace("<ymin>1</ymin>", ""), "ymin"),
    ],
)
def test_a_bad_file_is_told(data: str, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        parse(data.encode(), "a.xml", VOC_ORIGIN)
    assert str(caught.value).startswith("a.xml: ")


@given(st.one_of(st.binary(max_size=100), st.text(max_size=60).map(lambda inside: xml().replace("6", inside).encode())))
def test_any_bytes_are_an_annotation_or_a_mistake(data: bytes) -> None:
    with suppress(DataError):
        parse(data, "a.xml", VOC_ORIGIN)


def voc(folder: Path, *names: str) -> str:
    for name in names:
        save(folder / "JPEGImages" / f"{name}.jpg", grey())
        text(folder / "Annotations" / f"{name}.xml", xml(("dog", (1, 1, 2, 2), 0)))
    return f"voc:{folder}"


def test_a_voc_folder(tmp_path: Path) -> None:
    data = load_data(voc(tmp_path, "b", "a"))
    assert [item.name for item in data] == ["a", "b"]
    assert data.classes is not None
    assert len(data.classes) == 20
    assert [item.label for item in data] == [None, None]
    text(tmp_path / "ImageSets" / "Main" / "val.txt", "b\n\n")
    assert [item.name for item in load_data(f"voc:{tmp_path}")] == ["b"]
    text(tmp_path / "ImageSets" / "Main" / "test.txt", "a 1\nb -1\n")
    assert [item.name for item in load_data(f"voc:{tmp_path}")] == ["a", "b"]
    text(tmp_path / "ImageSets" / "Main" / "test.txt", "../a\n")
    with pytest.raises(DataError, match="no picture's name"):
        load_data(f"voc:{tmp_path}")


def test_a_folder_that_is_no_voc_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="JPEGImages"):
        load_data(f"voc:{tmp_path}")
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "Annotations").mkdir()
    with pytest.raises(DataError, match="no annotated"):
        load_data(f"voc:{tmp_path}")


def test_the_sixty_photographs(shared_data: Path) -> None:
    data = load_data(f"voc:{shared_data / 'voc'}")
    assert len(data) == 60
    for item in data:
        annotation = item.annotation
        assert annotation is not None
        assert annotation.size == item.read().pixels.shape[1:]
        assert set(annotation.names) <= set(data.classes or ())
    assert data[0].name == "2007_000027"
    assert data[0].annotation is not None
    assert data[0].annotation.regions[0].shape == Box(100, 173, 350, 348)


def imagenet(folder: Path) -> str:
    save(folder / "images" / "a.png", grey())
    text(folder / "labels.csv", "file,class_index,wnid\nimages/a.png,207,n02099601\n")
    objects = ("n02099601", (0, 1, 3, 4), 0), ("n00000001", (5, 5, 6, 5), 0)
    text(folder / "Annotations" / "val" / "a.xml", xml(*objects))
    return f"imagenet:{folder}"


def test_listed_photographs_with_boxes_of_their_class(tmp_path: Path) -> None:
    data = load_data(imagenet(tmp_path))
    assert (data[0].label, data[0].name) == (207, "a")
    assert data.classes is not None
    assert len(data.classes) == 1000
    annotation = data[0].annotation
    assert annotation is not None
    assert [(region.name, region.shape) for region in annotation.regions] == [("golden retriever", Box(1, 0, 4, 3))]


def test_folders_named_by_wnid(tmp_path: Path) -> None:
    for wnid in ("n00000005", "n00000003"):
        save(tmp_path / "val" / wnid / f"{wnid}_1.png", grey())
    with pytest.raises(DataError, match="2 of ImageNet's 1000"):
        load_data(f"imagenet:{tmp_path}")
    text(tmp_path / "LOC_synset_mapping.txt", "n00000003 fish, swimmer\nn00000004 other\nn00000005 bird\n")
    assert [item.label for item in load_data(f"imagenet:{tmp_path}")] == [0, 2]
    text(tmp_path / "LOC_synset_mapping.txt", "n00000003 fish\n")
    with pytest.raises(DataError, match="does not have n00000005"):
        load_data(f"imagenet:{tmp_path}")


@pytest.mark.parametrize(("index", "match"), [("1000", "none of 0"), ("-1", "none of 0"), ("dog", "none of 0")])
def test_an_index_out_of_range_is_told(tmp_path: Path, index: str, match: str) -> None:
    text(tmp_path / "labels.csv", f"file,class_index\na.png,{index}\n")
    with pytest.raises(DataError, match=match):
        load_data(f"imagenet:{tmp_path}")


def test_a_folder_that_is_no_imagenet_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="wnid"):
        load_data(f"imagenet:{tmp_path}")


def test_the_photographs_of_imagenet(shared_data: Path) -> None:
    data = load_data(f"imagenet:{shared_data / 'imagenet'}")
    assert len(data) == 146
    assert data.classes is not None
    first = data[0]
    assert (first.name, first.label, data.classes[0]) == ("n01440764_tench", 0, "tench")
