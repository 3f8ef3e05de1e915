"""Manifests: written once, the same content is the same version, and what has changed is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import explain_core.data.manifest
from explain_core.data.images import image_key, read_picture
from explain_core.data.manifest import Differences, Entry, find, in_full, make_manifest, verify, versions
from explain_core.data.sources import load_data
from explain_core.errors import DataError, ParamError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def paint(path: Path, shade: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4), shade, np.uint8)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures of two classes."""
    for name, shade in (("ash/a.png", 1), ("ash/b.png", 2), ("birch/c.png", 3)):
        paint(tmp_path / "leaves" / name, shade)
    return tmp_path / "leaves"


def test_a_manifest_lists_every_item_once_and_is_read_back(folder: Path, home: Path) -> None:
    seen: list[float] = []
    made, new = make_manifest("leaves", f"folder:{folder}", pictures=True, on_progress=seen.append)
    data = load_data(f"folder:{folder}")
    assert new
    assert (made.name, made.version, made.sha256, made.classes, made.n) == ("leaves", 1, data.sha256, data.classes, 3)
    key = image_key(read_picture(folder / "birch/c.png").pixels)
    assert made.items[2] == Entry(data[2].name, data[2].label, (folder / "birch/c.png").stat().st_size, key)
    assert seen[-1] == 1.0
    assert len(seen) == 3
    assert find("leaves") == find("leaves", "1") == made
    file = home / "data/leaves/1.json"
    assert file.stat().st_mode & 0o222 == 0
    assert {path.name for path in file.parent.iterdir()} <= {"1.json", ".lock"}


@pytest.mark.parametrize(
    ("spec", "kept"),
    [("jsrt-crops:films,4", "jsrt-crops:HERE/films,4"), ("folder:films", "folder:HERE/films"),
     ("phantom:12,0", "phantom:12,0"), ("jsrt-crops:nowhere,4", "jsrt-crops:nowhere,4")],
)  # fmt: skip
def test_a_path_is_kept_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, kept: str) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("films", "12"):
        (tmp_path / name).mkdir()
    assert in_full(spec) == kept.replace("HERE", str(tmp_path))


def test_the_same_is_the_same_version_and_a_change_the_next(folder: Path) -> None:
    spec = f"folder:{folder}"
    first, _ = make_manifest("leaves", spec)
    assert make_manifest("leaves", spec) == (first, False)
    paint(folder / "birch/d.png", 4)
    second, new = make_manifest("leaves", spec)
    assert (second.version, new) == (2, True)
    with_pictures, _ = make_manifest("leaves", spec, pictures=True)
    assert (with_pictures.version, with_pictures.sha256) == (3, second.sha256)
    (folder / "birch/d.png").unlink()
    assert make_manifest("leaves", spec) == (first, False)
    assert versions() == [("leaves", 1), ("leaves", 2), ("leaves", 3)]


def test_what_differs_is_named(folder: Path) -> None:
    made, _ = make_manifest("leaves", f"folder:{folder}", pictures=True)
    a, b, c = (item.name for item in made.items)
    assert not verify(made)
    assert verify(made).lines() == ["nothing has changed"]
    (folder / "ash/a.png").unlink()
    paint(folder / "ash/b.png", 9)
    found = verify(made)
    assert (found.gone, found.changed, found.new, found.classes) == ((a,), (b,), (), False)
    assert found.lines() == [f"gone: 1 ({a})", f"another picture: 1 ({b})"]
    (folder / "birch").rename(folder / "cedar")
    assert verify(made).classes
    assert c in {*verify(made).gone, *verify(made).relabelled}


def test_another_label_is_seen(tmp_path: Path) -> None:
    for name, labels in (("before", [0, 1]), ("after", [0, 0])):
        np.savez(tmp_path / f"{name}.npz", x=np.zeros((2, 4, 4), np.uint8), y=np.array(labels))
    made, _ = make_manifest("digits", f"npz:{tmp_path / 'before.npz'}")
    (tmp_path / "after.npz").replace(tmp_path / "before.npz")
    assert verify(made) == Differences((), (), ("000001",), (), classes=False)


def test_a_manifest_is_a_data_set_until_it_changes(folder: Path) -> None:
    made, _ = make_manifest("leaves", f"folder:{folder}")
    for spec in ("manifest:leaves", "manifest:leaves@1"):
        assert load_data(spec).sha256 == made.sha256
    paint(folder / "birch/d.png", 4)
    with pytest.raises(DataError, match="have changed since"):
        load_data("manifest:leaves")


def test_a_relative_path_is_kept_in_full(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    made, _ = make_manifest("leaves", "folder:leaves")
    assert made.spec == f"folder:{folder}"
    assert make_manifest("drawn", "phantom:4,0")[0].spec == "phantom:4,0"


@pytest.mark.parametrize("name", ["", "../leaves", "-a", "Müller", "a" * 65, "a/b"])
def test_a_name_is_of_letters_digits_and_dashes(name: str) -> None:
    with pytest.raises(ParamError, match="letters"):
        make_manifest(name, "phantom:4,0")


def test_what_cannot_be_made_or_found_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_manifest("leaves", f"folder:{folder}")
    with pytest.raises(DataError, match="of the data themselves"):
        make_manifest("leaves", "manifest:leaves")
    with pytest.raises(DataError, match="did you mean 'leaves'"):
        load_data("manifest:leafs")
    for version in ("2", "0", "../1", "x"):
        with pytest.raises(DataError, match="there is 1"):
            load_data(f"manifest:leaves@{version}")
    (folder / "ash/a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="Not a picture"):
        make_manifest("leaves", f"folder:{folder}", pictures=True)
    monkeypatch.setattr(explain_core.data.manifest, "MOST_DECODED", 2)
    with pytest.raises(ParamError, match="3 pictures; at most 2"):
        make_manifest("leaves", f"folder:{folder}", pictures=True)


@pytest.mark.parametrize(
    "damage",
    [
        lambda values: "{",
        lambda values: "[]",
        lambda values: json.dumps({**values, "format": 99}),
        lambda values: json.dumps({**values, "items": values["items"][1:]}),
        lambda values: json.dumps({**values, "spec": "phantom:5,0"}),
        lambda values: json.dumps({**values, "sha256": "0" * 64}),
        lambda values: json.dumps({**values, "items": [[1, 2]]}),
        lambda values: json.dumps({key: value for key, value in values.items() if key != "classes"}),
    ],
)
def test_a_damaged_manifest_is_never_believed(folder: Path, home: Path, damage: object) -> None:
    make_manifest("leaves", f"folder:{folder}")
    file = home / "data/leaves/1.json"
    file.chmod(0o644)
    assert callable(damage)
    file.write_text(damage(json.loads(file.read_text())))
    with pytest.raises(DataError, match="manifest leaves, version 1, cannot be used"):
        find("leaves")
