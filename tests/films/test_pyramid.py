"""Levels and tiles of films and maps: values known beforehand, nothing lost, made once."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from explain_core.dicom.film import Facts, Rescale
from explain_core.errors import DataError, InputError
from explain_core.films import pyramid
from explain_core.films.pyramid import TILE, FilmRaster, MapRaster, Raster, halved, sizes, smaller
from explain_core.films.record import Record, pixel_hash, release, save

ODD, NOTHING = (1101, 1030), -9


def film(films: Path, stored: NDArray[Any], bits: int = 12, padding: tuple[int, int] | None = None) -> Record:
    """A film in the workspace as an import leaves it, without its smaller levels."""
    facts = Facts(bits, "MONOCHROME2", inverse=False, rescale=Rescale(), padding=padding)
    made = Record(
        film="f1", patient="P1", exam="e1", date="", state="ready", facts=facts, size=(len(stored), len(stored[0])),
        sha256=pixel_hash(stored), file="f1.dcm", offset=132, dtype=stored.dtype.name,
    )  # fmt: skip
    save(films, made, bytes(132) + stored.tobytes())
    return made


def values(kind: str = "uint16", low: int = 0, high: int = 4096, size: tuple[int, int] = ODD) -> NDArray[Any]:
    return np.random.default_rng(0).integers(low, high, size).astype(kind)


def assembled(raster: Raster, level: int) -> NDArray[np.uint16]:
    """A level put together from its tiles."""
    height, width = raster.levels[level]
    found = np.full((height, width), 7, np.uint16)
    for row in range(math.ceil(height / TILE)):
        for column in range(math.ceil(width / TILE)):
            part = found[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
            part[:] = np.frombuffer(raster.tile(level, row, column), "<u2").reshape(part.shape)
    return found


def plainly(values: NDArray[Any], padding: tuple[int, int]) -> NDArray[Any]:
    """The same as `halved`, pixel by pixel; NOTHING for padding."""
    low, high = padding
    made = np.empty([(side + 1) // 2 for side in values.shape], int)
    for row, column in np.ndindex(made.shape):
        four = values[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].ravel().tolist()
        kept = [value for value in four if not low <= value <= high]
        made[row, column] = math.floor(sum(kept) / len(kept) + 0.5) if kept else NOTHING
    return made


def test_a_picture_is_halved_by_rounded_means() -> None:
    picture = np.array([[1, 2, 9], [3, 4, 10], [100, 103, 65535]], np.uint16)
    assert halved(picture).tolist() == [[3, 10], [102, 65535]]  # 2.5, 9.5 and 101.5 are rounded up


def test_padding_is_in_no_mean_and_stays_padding() -> None:
    picture = np.array([[0, 0, 0, 7, 0], [0, 0, 0, 8, 5]], np.uint16)
    assert halved(picture, (0, 0)).tolist() == [[0, 8, 5]]
    assert halved(picture).tolist() == [[0, 4, 3]]


def test_a_mean_that_falls_into_the_padding_leaves_it() -> None:
    picture = np.array([[90, 111, 90, 130], [90, 111, 90, 130]], np.uint16)
    assert halved(picture, (95, 110)).tolist() == [[94, 111]]  # the means are 101 and 110


@given(
    arrays(np.uint16, array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.integers(0, 9)),
    st.tuples(st.integers(-2, 11), st.integers(-2, 11)).map(sorted),
)
def test_halving_is_what_it_says(picture: NDArray[np.uint16], padding: list[int]) -> None:
    low, high = padding
    found, plain = halved(picture, (low, high)), plainly(picture, (low, high))
    nothing = (found >= low) & (found <= high)
    assert np.array_equal(nothing, plain == NOTHING)
    moved = (plain >= low) & (plain <= high)
    assert np.array_equal(found[~nothing & ~moved], plain[~nothing & ~moved])
    assert set(found[moved].tolist()) <= {low - 1, high + 1}


@pytest.mark.parametrize("height", [3 * pyramid.STRIP, 3 * pyramid.STRIP + 1, 4 * pyramid.STRIP - 1])
def test_strips_make_no_difference(height: int) -> None:
    picture = values(size=(height, 9)) // 600
    assert np.array_equal(smaller(picture, padding=(0, 0))[0], halved(picture, (0, 0)))


def test_levels_end_where_one_tile_is_enough() -> None:
    assert sizes((512, 512)) == ((512, 512),)
    assert sizes((4096, 3328)) == ((4096, 3328), (2048, 1664), (1024, 832), (512, 416))
    assert sizes((1, 1025)) == ((1, 1025), (1, 513), (1, 257))


@pytest.mark.parametrize(
    ("kind", "low", "high", "bits", "lowest"),
    [
        ("uint16", 0, 1 << 16, 16, 0), ("uint16", 0, 1 << 12, 12, 0), ("uint8", 0, 256, 8, 0),
        ("int16", -(1 << 15), 1 << 15, 16, -(1 << 15)), ("int16", -(1 << 11), 1 << 11, 12, -(1 << 11)),
        ("int8", -128, 128, 8, -128),
    ],
)  # fmt: skip
def test_tiles_of_a_film_hold_its_very_values(
    tmp_path: Path, kind: str, low: int, high: int, bits: int, lowest: int
) -> None:
    stored = values(kind, low, high)
    raster = FilmRaster(tmp_path, film(tmp_path, stored, bits))
    shifted = stored.astype(int) - lowest
    assert np.array_equal(assembled(raster, 0), shifted)
    once = halved(shifted.astype(np.uint16))
    assert np.array_equal(assembled(raster, 1), once)
    assert np.array_equal(assembled(raster, 2), halved(once))
    assert raster.levels == (ODD, (551, 515), (276, 258))


def test_padding_is_told_in_stored_values(tmp_path: Path) -> None:
    stored = values("int16", -10, 10)
    raster = FilmRaster(tmp_path, film(tmp_path, stored, 12, padding=(-3, -1)))
    expected = halved((stored + 2048).astype(np.uint16), (2045, 2047))
    assert np.array_equal(assembled(raster, 1), expected)


@pytest.mark.parametrize(
    ("level", "row", "column"), [(3, 0, 0), (-1, 0, 0), (0, 3, 0), (0, 0, 3), (0, -1, 0), (0, 0, -1), (2, 1, 0)]
)
def test_there_are_no_other_tiles(tmp_path: Path, level: int, row: int, column: int) -> None:
    for raster in (FilmRaster(tmp_path, film(tmp_path, values())), MapRaster(np.zeros(ODD, np.float32))):
        with pytest.raises(LookupError):
            raster.tile(level, row, column)


def test_levels_are_kept_and_made_anew_where_they_do_not_belong_to_the_film(tmp_path: Path) -> None:
    record = film(tmp_path, values())
    path = record.levels(tmp_path)
    raster = FilmRaster(tmp_path, record)
    raster.make()
    kept, when = path.read_bytes(), path.stat().st_mtime_ns
    FilmRaster(tmp_path, record).tile(1, 0, 0)
    assert path.stat().st_mtime_ns == when
    for wrong in (kept[:-2], b"x" + kept[1:], b""):
        path.write_bytes(wrong)
        assert raster.tile(2, 0, 0) == kept[-2 * 276 * 258 :]
        assert path.read_bytes() == kept
    darker = values(high=2)
    other = film(tmp_path, darker)
    assert np.array_equal(assembled(FilmRaster(tmp_path, other), 1), halved(darker))
    padded = replace(other, facts=replace(other.facts, padding=(0, 0)))
    assert np.array_equal(assembled(FilmRaster(tmp_path, padded), 1), halved(darker, (0, 0)))
    assert sorted(path.suffix for path in path.parent.iterdir()) == [".dcm", ".json", ".levels"]


def test_threads_that_ask_together_make_them_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, calls = film(tmp_path, values()), []
    together = threading.Barrier(4)

    def counted(*given: Any) -> Any:
        calls.append(given)
        return smaller(*given)

    def ask() -> None:
        together.wait()
        FilmRaster(tmp_path, record).tile(1, 0, 0)

    monkeypatch.setattr(pyramid, "smaller", counted)
    run(ask, 4)
    assert len(calls) == 1


def run(what: Callable[[], None], threads: int) -> None:
    started = [threading.Thread(target=what) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def test_a_film_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    record = film(tmp_path, values())
    (record.folder(tmp_path) / record.file).unlink()
    with pytest.raises(DataError, match="import it again"):
        FilmRaster(tmp_path, record).tile(0, 0, 0)


def test_nothing_of_a_film_stays_in_quarantine(tmp_path: Path) -> None:
    record = film(tmp_path, values())
    held = replace(record, state="quarantined")
    save(tmp_path, held, (record.folder(tmp_path) / record.file).read_bytes())
    FilmRaster(tmp_path, held).make()
    assert len(list(held.folder(tmp_path).iterdir())) == 3
    release(tmp_path, held)
    assert list(held.folder(tmp_path).iterdir()) == []


def test_a_map_is_spread_over_sixteen_bits() -> None:
    heat = np.array([[0, 1], [0.5, 1]], np.float32)
    raster = MapRaster(heat)
    assert assembled(raster, 0).tolist() == [[0, 65535], [32768, 65535]]
    big = np.linspace(0, 1, ODD[0] * ODD[1], dtype=np.float32).reshape(ODD)
    raster = MapRaster(big)
    whole = np.rint(big * np.float32(65535)).astype(np.uint16)
    assert np.array_equal(assembled(raster, 0), whole)
    assert np.array_equal(assembled(raster, 2), halved(halved(whole)))
    assert raster.held == 2 * sum(height * width for height, width in raster.levels)
    assert raster.name == MapRaster(big.copy()).name != MapRaster(1 - big).name


@pytest.mark.parametrize("heat", [[[1.5]], [[-0.1]], [[math.nan]], [0.5], [[]]])
def test_a_map_with_other_values_is_refused(heat: list[Any]) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        MapRaster(np.array(heat, np.float32))
