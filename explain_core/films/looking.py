"""A picture by what a shell calls it: a file, a DICOM file, or `film:NAME` of the workspace; as a network sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explain_core.data.images import fit, read_picture, seen
from explain_core.data.sources.dicom import DICOM
from explain_core.dicom.decode import shared_decoder
from explain_core.dicom.film import Film
from explain_core.errors import InputError
from explain_core.films.commands import films_folder
from explain_core.films.network import largest_change, sight
from explain_core.films.record import find
from explain_core.records import Answer, Floats

if TYPE_CHECKING:
    from explain_core.models.classifier import InputSpec

NAMED = "film:"


@dataclass(frozen=True, eq=False)
class Looked:
    """`pixels` float32 (c, h, w) in [0, 1]; `sha256` of what was read; `seen` which part of it, in plain values."""

    pixels: Floats
    sha256: str
    seen: Mapping[str, Any]
    input: InputSpec
    film: Film | None = None

    def change(self, answer: Answer) -> dict[str, Any] | None:
        """The largest change in the film's stored values, and in grey levels of its usual window."""
        if self.film is None or answer.perturbed is None:
            return None
        return asdict(largest_change(self.film, self.input, answer.input, answer.perturbed))


def is_film(path: Path) -> bool:
    return str(path).startswith(NAMED) or path.suffix.lower() == DICOM


def look(path: Path, input: InputSpec) -> Looked:
    """Raises ImageError, or InputError for a film that is not there, or in quarantine."""
    if is_film(path):
        film = _film(path)
        found = sight(film, input)
        return Looked(found.pixels, film.sha256, found.record(), input, film)
    picture = read_picture(path)
    part = seen((picture.pixels.shape[1], picture.pixels.shape[2]), input)
    return Looked(fit(picture, input), picture.sha256, {**part.record(), "mirrored": False}, input)


def _film(path: Path) -> Film:
    if not str(path).startswith(NAMED):
        return shared_decoder().film(path)
    record = find(films_folder(), str(path).removeprefix(NAMED))
    if record.state == "quarantined":
        raise InputError(f"Film {record.film} is in quarantine: look at it, then `rhoscope dicom release` it.")
    return record.open(films_folder())
