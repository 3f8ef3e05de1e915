"""Mutated files: whatever a file holds, the answer is a film or a typed error in one line, soon and in bounds."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from explain_core.dicom.decode import Cleaned, Decoder
from explain_core.errors import FilmError
from explain_core.films.importing import dicom_record
from tests.dicom.making import code, film, saved, table

KEY = b"k" * 32
MEMORY = 1 << 30
SEEDS = ("plain", "implicit", "deflated", "rle", "jpeg-ls", "jpeg-2000")


def seed(folder: Path, kind: str) -> bytes:
    made = film(
        VOILUTSequence=[table(list(range(50)), 0, 12)], PixelPaddingValue=0,
        ViewCodeSequence=[code("399162004", ViewModifierCodeSequence=[code("399055006")])],
    )  # fmt: skip
    compressed = {"rle": RLELossless, "jpeg-ls": JPEGLSLossless, "jpeg-2000": JPEG2000Lossless}
    if kind in compressed:
        made.compress(compressed[kind], generate_instance_uid=False)
    elif kind != "plain":
        made.file_meta.TransferSyntaxUID = (
            ImplicitVRLittleEndian if kind == "implicit" else DeflatedExplicitVRLittleEndian
        )
    return saved(folder / "seed.dcm", made).read_bytes()


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """One to three changes: bits, lengths that lie, pieces cut out, doubled, moved, or a cut end."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        here = int(rng.integers(128 if rng.random() < 0.9 else 0, max(129, len(changed))))
        length = int(rng.integers(1, 64))
        match rng.integers(0, 7):
            case 0:
                changed[here : here + length] = rng.bytes(length)
            case 1:
                changed[here : here + 1] = bytes([int(rng.choice([0, 1, 0x7F, 0x80, 0xFF]))])
            case 2:
                changed[here : here + 4] = int(rng.choice([0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFFFFF, 1 << 24])).to_bytes(
                    4, "little"
                )
            case 3:
                del changed[here : here + length]
            case 4:
                changed[here:here] = changed[here : here + length]
            case 5:
                changed[here:here] = changed[int(rng.integers(0, len(changed))) :][:length]
            case _:
                changed = changed[: max(132, here)] if rng.random() < 0.3 else changed
    return bytes(changed)


def what_comes(decoder: Decoder, path: Path) -> str:
    """Film, or the error's type; fails for whatever a user should not meet."""
    try:
        got = decoder.cleaned(path, KEY)
    except FilmError as error:
        told, kind = str(error), type(error).__name__
    else:
        told, kind = repr(got.identity) + repr(got.film.facts), "Film"
        _check(got)
    assert "\n" not in told
    assert not re.search("Doe|19501231", told)
    return kind


def _check(got: Cleaned) -> None:
    record = dicom_record(got)
    assert re.fullmatch(r"[A-Za-z0-9-]+", record.patient + record.exam + record.film)
    assert got.film.stored.dtype.kind in "iu"
    assert b"Doe" not in got.file[: got.offset]  # a piece of the header may have been moved into the pixels


def run(folder: Path, count: int) -> tuple[Counter[str], float]:
    """How often each answer came, and the longest that one took; memory is read after every file."""
    found, starts, most, longest = Counter[str](), set[int](), 0, 0.0
    with Decoder(memory=MEMORY) as decoder:
        sound = saved(folder / "sound.dcm", film())
        for number in range(count):
            kind = SEEDS[number % len(SEEDS)]
            path = folder / f"{number}.dcm"
            path.write_bytes(mutated(seed(folder, kind), np.random.default_rng([7, number])))
            decoder.header(sound)  # starts the decoder where it was given up
            begun = monotonic()
            found[what_comes(decoder, path)] += 1
            longest = max(longest, monotonic() - begun)
            path.unlink()
            if decoder.pid is not None:
                starts.add(decoder.pid)
                status = Path(f"/proc/{decoder.pid}/status").read_text(encoding="ascii")
                most = max(most, int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) << 10)
    print(f"{count} files: {dict(found)}; {len(starts)} decoders; at most {most >> 20} MiB, {longest:.1f} s")
    assert most < MEMORY
    return found, longest


def test_mutated_files_are_films_or_typed_errors(tmp_path: Path) -> None:
    found, _ = run(tmp_path, 30)
    assert found["Film"] > 0
    assert len(found) > 2


@pytest.mark.slow
def test_five_hundred_mutated_files_within_five_seconds_each(tmp_path: Path) -> None:
    found, longest = run(tmp_path, 500)
    assert found.total() == 500
    assert longest < 5
