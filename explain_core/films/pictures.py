"""Films that came as plain pictures (PNG, TIFF, PGM, 8 to 16 bits): the grey values alone, whoever they are of."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from explain_core.data.images import read_picture
from explain_core.dicom.film import Facts, Rescale, Stored
from explain_core.dicom.secret import keyed
from explain_core.errors import NotAFilm
from explain_core.films.names import guess
from explain_core.films.record import CONFIRM, Record, pixel_hash, state_of
from explain_core.records import Floats

BITS = (8, 12, 16)


@dataclass(frozen=True, eq=False)
class Plain:
    """A picture's record, and the file that is kept of it: numpy's own format, without the picture's metadata."""

    record: Record
    file: bytes


def plain_film(path: Path, folder: Path, key: bytes) -> Plain:
    """A picture below `folder` as a film; who and which view is guessed by names.  Raises ImageError."""
    picture = read_picture(path)
    if len(picture.pixels) != 1 and not (picture.pixels == picture.pixels[:1]).all():
        raise NotAFilm("The picture is in colour: films are grey; save it as grey PNG of 8 or 16 bits.")
    stored, bits = stored_greys(picture.pixels[0])
    laterality, view, rest = guess(path.stem)
    where = path.relative_to(folder).parent.as_posix()
    patient = "P" + keyed(key, "picture", f"{where}/{rest}").hex()[:16]
    notes = (
        f"a plain picture: its patient and view are guessed by its name, {CONFIRM}",
        "it is not known whether text is burned in",
    )
    file = BytesIO()
    np.save(file, stored, allow_pickle=False)
    name = keyed(key, "picture film", f"{patient}/{pixel_hash(stored)}").hex()[:16]
    facts = Facts(bits, "MONOCHROME2", inverse=False, rescale=Rescale(), laterality=laterality, view=view)
    record = Record(
        film=name, patient=patient, exam="undated", date="", state=state_of(notes), facts=facts,
        size=(stored.shape[0], stored.shape[1]), sha256=pixel_hash(stored), file=f"{name}.npy",
        offset=file.tell() - stored.nbytes, dtype=stored.dtype.name, notes=notes, kind="picture",
    )  # fmt: skip
    return Plain(record, file.getvalue())


def stored_greys(pixels: Floats) -> tuple[Stored, int]:
    """Whole numbers (h, w) with the fewest of 8, 12 and 16 bits that hold every grey of [0, 1] as it was.

    Raises NotAFilm for greys between those of 16 bits, as floats have them.
    """
    for bits in BITS:
        top = np.float32((1 << bits) - 1)
        whole = np.rint(pixels.astype(np.float64) * float(top))
        if np.array_equal((whole / float(top)).astype(np.float32), pixels):
            return whole.astype(np.uint8 if bits == 8 else np.uint16), bits
    raise NotAFilm("The picture's greys lie between those of 16 bits: save it as 16-bit PNG.")
