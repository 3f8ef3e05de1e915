"""What is decoded, and what is refused: by which error, in one line, without the patient."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from explain_core.dicom import pixels
from explain_core.dicom.decode import Decoder
from explain_core.dicom.film import Lut
from explain_core.dicom.header import layout
from explain_core.errors import (
    DamagedFilm,
    FilmError,
    FilmTooLarge,
    FilmTooSlow,
    NotAFilm,
    NotDicom,
    UnsupportedFilm,
)
from tests.dicom.making import VALUES, film, saved, table


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_compressed_films_keep_their_values(tmp_path: Path, decoder: Decoder, syntax: UID) -> None:
    made = film()
    made.compress(syntax, generate_instance_uid=False)
    assert np.array_equal(decoder.film(saved(tmp_path / "a.dcm", made)).stored, VALUES)


def test_other_encodings_and_signs_keep_their_values(tmp_path: Path, decoder: Decoder) -> None:
    signed = VALUES.astype(np.int16) - 2048
    made = film(signed)
    made.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    found = decoder.film(saved(tmp_path / "a.dcm", made))
    assert np.array_equal(found.stored, signed)
    assert found.lowest == -2048
    assert not found.stored.flags.writeable
    eight = decoder.film(saved(tmp_path / "b.dcm", film((VALUES % 256).astype(np.uint8))))
    assert np.array_equal(eight.stored, VALUES % 256)


def test_big_endian_films_keep_their_values_and_tables(tmp_path: Path, decoder: Decoder) -> None:
    made = film(PixelData=VALUES.astype(">u2").tobytes(), VOILUTSequence=[table([0, 2000, 4095], 10, 12)])
    lut = made.VOILUTSequence[0]["LUTData"]
    lut.value = np.frombuffer(lut.value, "<u2").astype(">u2").tobytes()
    made["PixelData"].VR = "OW"
    made.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    found = decoder.cleaned(saved(tmp_path / "a.dcm", made), b"k" * 32)
    assert np.array_equal(found.film.stored, VALUES)
    assert found.film.facts.vois[0] == Lut((0, 2000, 4095), 10, 12, "NORMAL")
    (tmp_path / "b.dcm").write_bytes(found.file)
    assert decoder.film(tmp_path / "b.dcm").facts.vois == found.film.facts.vois


def test_the_decoder_has_no_torch(tmp_path: Path, decoder: Decoder) -> None:
    decoder.film(saved(tmp_path / "a.dcm", film()))
    loaded = Path(f"/proc/{decoder.pid}/maps").read_text(encoding="utf-8")
    assert "numpy" in loaded
    assert "torch" not in loaded


def test_what_old_files_keep_in_the_high_bits_is_cleared(tmp_path: Path, decoder: Decoder) -> None:
    assert np.array_equal(decoder.film(saved(tmp_path / "a.dcm", film(VALUES | 0xF000))).stored, VALUES)
    signed = VALUES.astype(np.int16) - 2048
    assert np.array_equal(decoder.film(saved(tmp_path / "b.dcm", film(signed & 0x0FFF))).stored, signed)


def test_a_header_is_read_without_decoding(tmp_path: Path, decoder: Decoder) -> None:
    made = film()
    made.compress(RLELossless, generate_instance_uid=False)
    size, facts = decoder.header(saved(tmp_path / "a.dcm", made))
    assert (size, facts.view, facts.bits) == ((64, 48), "CC", 12)


SYNTAX = b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00"
"""The element of a file's meta group that names explicit little endian."""

LIES: list[tuple[dict[str, Any], type[FilmError], str]] = [
    ({"Rows": 2400}, DamagedFilm, r"2400 pixels of 16 bits need 230400 bytes, and there are 6144"),
    ({"Rows": 65535, "Columns": 65535}, FilmTooLarge, "48 megapixels"),
    ({"Rows": 0}, DamagedFilm, "above 0"),
    ({"Rows": None}, DamagedFilm, "above 0"),
    ({"PixelData": None}, DamagedFilm, "no pixel data"),
    ({"PixelData": None, "Rows": None}, NotAFilm, "without a picture"),
    ({"PixelData": b""}, DamagedFilm, "empty"),
    ({"NumberOfFrames": 60}, NotAFilm, "60 frames"),
    ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, NotAFilm, "in colour"),
    ({"PhotometricInterpretation": "PALETTE COLOR"}, NotAFilm, "no grey kind"),
    ({"BitsAllocated": 32}, UnsupportedFilm, "16 bits at most"),
    ({"BitsStored": 17}, UnsupportedFilm, "16 bits at most"),
    ({"HighBit": 15}, UnsupportedFilm, "16 bits at most"),
]


@pytest.mark.parametrize(("changes", "kind", "match"), LIES)
def test_lying_headers(
    tmp_path: Path, decoder: Decoder, changes: dict[str, Any], kind: type[FilmError], match: str
) -> None:
    path = saved(tmp_path / "a.dcm", film(**changes))
    for refused in (decoder.film, decoder.header):
        with pytest.raises(kind, match=match) as caught:
            refused(path)
        assert type(caught.value) is kind
        assert "Doe" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "kind", "match"),
    [
        (b"", DamagedFilm, "empty"),
        (b"Dear Mrs Doe\n" * 40, NotDicom, "DICM"),
        (b"PK\x03\x04" + bytes(200), NotDicom, "unpack it"),
        (bytes(128) + b"DICM", NotAFilm, "without a picture"),
        (bytes(128) + b"DICM" + b"\xff" * 200, NotAFilm, "without a picture"),
        # An element that claims almost 4 GiB.
        (bytes(128) + b"DICM" + SYNTAX + b"\xe0\x7f\x10\x00OW\x00\x00\xf0\xff\xff\xff", FilmError, "|"),
    ],
)  # fmt: skip
def test_files_that_are_no_films(
    tmp_path: Path, decoder: Decoder, content: bytes, kind: type[FilmError], match: str
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    with pytest.raises(kind, match=match) as caught:
        decoder.film(path)
    assert "Doe" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9, 0.99])
def test_truncated_films(tmp_path: Path, decoder: Decoder, keep: float) -> None:
    path = saved(tmp_path / "a.dcm", film())
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(FilmError):
        decoder.film(path)


def test_damaged_compression(tmp_path: Path, decoder: Decoder) -> None:
    made = film()
    made.compress(JPEG2000Lossless, generate_instance_uid=False)
    made.PixelData = made.PixelData[:60] + bytes(len(made.PixelData) - 60)
    with pytest.raises(FilmError):
        decoder.film(saved(tmp_path / "a.dcm", made))


def test_an_unknown_compression(tmp_path: Path, decoder: Decoder) -> None:
    path = saved(tmp_path / "a.dcm", film())
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"))
    with pytest.raises(UnsupportedFilm, match="unknown compression"):
        decoder.film(path)


def test_a_decoder_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made = film()
    made.compress(RLELossless, generate_instance_uid=False)
    monkeypatch.setitem(pixels.CODECS, str(RLELossless), "absent")
    monkeypatch.setitem(pixels.EXTRA, "absent", "[jpeg-lossless]")
    with pytest.raises(UnsupportedFilm, match=r"pip install 'rhoscope\[jpeg-lossless\]'"):
        pixels.stored_values(made, layout(made))


def test_a_bomb_is_bounded(tmp_path: Path) -> None:
    """400 MB of zeros, deflated to less than one."""
    packed = zlib.compressobj(wbits=-15)
    body = b"".join(packed.compress(bytes(1 << 20)) for _ in range(400)) + packed.flush()
    deflated = SYNTAX.replace(b"\x14", b"\x16").replace(b"2.1\x00", b"2.1.99")
    path = tmp_path / "a.dcm"
    path.write_bytes(bytes(128) + b"DICM" + deflated + body)
    with Decoder(memory=384 << 20) as bounded, pytest.raises(FilmTooLarge, match="memory"):
        bounded.film(path)


def test_a_film_that_takes_too_long_is_given_up_and_the_next_is_read(tmp_path: Path) -> None:
    """A millisecond is too little for hashing 18 MB."""
    large = saved(tmp_path / "a.dcm", film(np.zeros((3000, 3000), np.uint16)))
    with Decoder(seconds=0, per_megapixel=0) as hurried:
        with pytest.raises(FilmTooSlow, match="longer"):
            hurried.film(large)
        assert hurried.pid is None
    with Decoder() as patient:
        assert patient.film(large).size == (3000, 3000)


def test_a_decoder_that_dies_is_started_again(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.dcm", film())
    with Decoder() as mortal:
        mortal.film(path)
        first = mortal.pid
        mortal.close()
        assert mortal.pid is None
        mortal.film(path)
        assert mortal.pid != first


def test_a_decoder_without_memory_does_not_start(tmp_path: Path) -> None:
    with Decoder(memory=48 << 20) as starved, pytest.raises(FilmError, match="48 MiB"):
        starved.film(saved(tmp_path / "a.dcm", film()))


def test_a_film_that_is_not_there(tmp_path: Path, decoder: Decoder) -> None:
    with pytest.raises(FilmError, match="check that the file is there"):
        decoder.film(tmp_path / "none.dcm")
