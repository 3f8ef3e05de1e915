"""Folders and tables: labels by place and by row, boxes and masks, and paths that stay inside."""

from __future__ import annotations

import csv
import hashlib
from contextlib import suppress
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from explain_core.data.annotation import Annotation, Box
from explain_core.data.sources import DataSet, load_data
from explain_core.data.sources.files import size_of
from explain_core.errors import DataError, InputError
from tests.data.sources.writing import grey, save, text


def test_sub_folders_are_classes(tmp_path: Path) -> None:
    for name in ("dog/b.png", "dog/deep/a.png", "cat/a.png", "empty/notes.txt", ".hidden/a.png", "cat/.b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        save(tmp_path / name, grey()) if name.endswith("png") else text(tmp_path / name, "")
    data = load_data(f"folder:{tmp_path}")
    assert data.classes == ("cat", "dog")
    assert [item.label for item in data] == [0, 1, 1]
    assert data[0].name == hashlib.sha256(b"cat/a.png").hexdigest()[:12]
    assert data[0].size == (tmp_path / "cat" / "a.png").stat().st_size
    assert data[0].read().pixels.shape == (1, 6, 8)


def test_numbered_folders_go_by_value(tmp_path: Path) -> None:
    for name in ("10", "9", "0"):
        save(tmp_path / name / "a.png", grey())
    assert load_data(f"folder:{tmp_path}").classes == ("0", "9", "10")


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    save(tmp_path / "b.png", grey(value=2))
    save(tmp_path / "a.png", grey(value=1))
    data = load_data(f"folder:{tmp_path}")
    assert [item.label for item in data] == [None, None]
    assert [round(float(item.read().pixels.max() * 255)) for item in data] == [1, 2]
    save(tmp_path / "cat" / "a.png", grey())
    with pytest.raises(DataError, match="beside the folder cat"):
        load_data(f"folder:{tmp_path}")


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pictures"):
        load_data(f"folder:{tmp_path}")


def table(folder: Path, lines: str) -> DataSet:
    return load_data(f"csv:{text(folder / 'table.csv', lines)}")


def test_rows_with_boxes_masks_and_patients(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", grey())
    save(tmp_path / "b.png", grey())
    mask = grey(value=0)
    mask[1:3, 2:5] = 1
    save(tmp_path / "m.png", mask)
    data = table(
        tmp_path,
        "file,label,x0,y0,x1,y1,mask,patient,name\n"
        "in/a.png,cat,1,2,3,4,,p1,first\nin/a.png,cat,,,,,m.png,p1,first\nb.png,dog,,,,,,p2,\n",
    )
    b, a = data
    assert (data.classes, a.label, b.label) == (("cat", "dog"), "cat", "dog")
    assert (a.name, a.patient, b.patient, b.annotation) == ("first", "p1", "p2", None)
    marked = a.annotation
    assert marked is not None
    assert marked.size == (6, 8)
    assert marked.regions[0].shape == Box(2, 1, 4, 3)
    assert np.array_equal(marked.regions[1].mask((6, 8)), mask > 0)


def test_objects_of_several_classes(tmp_path: Path) -> None:
    save(tmp_path / "a.png", grey())
    (item,) = table(tmp_path, "file,label,x0,y0,x1,y1\na.png,7,0,0,1,1\na.png,3,2,2,3,3\n")
    assert item.label is None
    marked = item.annotation
    assert marked is not None
    assert marked.names == ("7", "3")


def test_numbers_are_indices(tmp_path: Path) -> None:
    save(tmp_path / "a.png", grey())
    data = table(tmp_path, "file,label\na.png,7\n")
    assert (data.classes, data[0].label, data[0].annotation) == (None, 7, None)


def test_a_mask_of_another_size_is_told(tmp_path: Path) -> None:
    save(tmp_path / "a.png", grey())
    save(tmp_path / "m.png", grey(3, 3))
    (item,) = table(tmp_path, "file,label,mask\na.png,cat,m.png\n")
    with pytest.raises(DataError, match="same size"):
        _ = item.annotation


def test_a_missing_picture_is_told_when_it_is_read(tmp_path: Path) -> None:
    (item,) = table(tmp_path, "file,label,x0,y0,x1,y1\nnone.png,cat,1,1,2,2\n")
    for read in (item.read, lambda: item.annotation):
        with pytest.raises(InputError):
            read()


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        ("", "no column file"),
        ("file\na.png\n", "no column label"),
        ("file,label\n", "no rows"),
        ("file,label\na.png\n", "line 2"),
        ("file,label\na.png,1,2\n", "line 2"),
        ("file,label,label\na.png,1,2\n", "twice"),
        ('file,label\n"a.png,1\n', "line 1"),
        ("file,label\n../a.png,1\n", "leads out"),
        ("file,label\n/etc/passwd,1\n", "leads out"),
        ("file,label\n,1\n", "leads out"),
        ("file,label\na\0.png,1\n", "leads out|line"),
        ("file,label,mask\na.png,1,../m.png\n", "leads out"),
        ("file,label,x0,y0,x1,y1\na.png,1,1,2,3,\n", "must all be numbers"),
        ("file,label,x0,y0,x1,y1\na.png,1,3,2,1,4\n", "x0 ≤ x1"),
        ("file,label,x0,y0,x1,y1\na.png,1,nan,2,1,4\n", "x0 ≤ x1"),
        ("file,label,x0,y0,x1,y1,mask\na.png,1,1,2,3,4,m.png\n", "a box and a mask"),
        ("file,label,patient\na.png,1,p\na.png,1,q\n", "different patients"),
        ("file,label\na.png,1\na.png,\n", "with and without"),
        ("file,label,name\na.png,1,n\nb.png,1,n\n", "same name"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, lines: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        table(tmp_path, lines)


def test_a_link_cannot_lead_out(tmp_path: Path) -> None:
    save(tmp_path / "outside" / "a.png", grey())
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a.png").symlink_to(tmp_path / "outside" / "a.png")
    with pytest.raises(DataError, match="leads out"):
        table(inside, "file,label\na.png,1\n")


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0/"), min_size=1, max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5, unique_by=lambda row: row[0].strip()))
def test_any_names_and_labels_survive(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    assume(not {file.strip() for file, _ in rows} & {"", ".", ".."})
    lines = StringIO()
    csv.writer(lines).writerows([("file", "label"), *rows])
    data = table(tmp_path, lines.getvalue())
    found = {item.name: str(item.label or "") for item in data}
    numbered = all(label.strip().isascii() and label.strip().isdigit() for _, label in rows if label.strip())
    for file, label in rows:
        expected = str(int(label) or "") if numbered and label.strip() else label.strip()
        assert found[hashlib.sha256(Path(file.strip()).as_posix().encode()).hexdigest()[:12]] == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200))
def test_any_text_is_a_table_or_a_mistake(tmp_path: Path, lines: str) -> None:
    for header in ("", "file,label,x0,y0,x1,y1,mask\n"):
        with suppress(DataError):
            table(tmp_path, header + lines)


def test_a_turned_picture_has_the_size_it_is_read_in(tmp_path: Path) -> None:
    from PIL import ExifTags, Image

    image = Image.new("L", (8, 6))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    (item,) = load_data(f"folder:{tmp_path}")
    assert size_of(tmp_path / "a.jpg") == item.read().pixels.shape[1:] == (8, 6)


def test_an_annotation_is_of_one_class(tmp_path: Path) -> None:
    save(tmp_path / "a.png", grey())
    (item,) = table(tmp_path, "file,label,x0,y0,x1,y1\na.png,7,0,0,1,1\na.png,3,2,2,3,3\n")
    marked = item.annotation
    assert isinstance(marked, Annotation)
    assert [region.shape for region in marked.of("3").regions] == [Box(2, 2, 3, 3)]
