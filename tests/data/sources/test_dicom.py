"""DICOM films as a data set's reader gives them: stored values, scaled by their bits."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from explain_core.data.sources.dicom import film_at, film_mask, film_size
from explain_core.errors import ImageError
from tests.data.sources.writing import RAMP, dicom


def test_dicom_keeps_its_values(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", RAMP * 85)
    picture = film_at(path)
    assert film_size(path) == (6, 8)
    assert np.array_equal(picture.pixels[0], (RAMP * 85 / 4095).astype(np.float32))
    assert not picture.pixels.flags.writeable
    assert np.array_equal(film_mask(path), RAMP > 0)


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    picture = film_at(dicom(tmp_path / "a.dcm", RAMP * 85, photometric="MONOCHROME1"))
    assert np.allclose(picture.pixels[0], 1 - RAMP * 85 / 4095)
    assert "inverted" in picture.notes[1]


@pytest.mark.parametrize("keep", [0, 10, 200, -1])
def test_a_damaged_dicom_is_told_without_its_patient(tmp_path: Path, keep: int) -> None:
    path = dicom(tmp_path / "a.dcm", RAMP)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ImageError) as caught:
        film_at(path)
    assert "Doe" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_films_of_other_makers(shared_data: Path) -> None:
    folder = shared_data / "dicom"
    assert film_at(folder / "notzaki_MG.dcm").pixels.shape == (1, *film_size(folder / "notzaki_MG.dcm"))
    if find_spec("gdcm"):
        assert film_at(folder / "dcm01.DCM").pixels.shape == (1, 2294, 1914)
    else:
        with pytest.raises(ImageError, match=r"\[jpeg-lossless\]"):
            film_at(folder / "dcm01.DCM")
