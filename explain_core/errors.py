"""Every exception that Rhoscope raises on purpose.

    RhoscopeError
    ├── InputError            what the user gave: an image, a folder, a file
    │   ├── ImageError        a picture that cannot be read or is too large
    │   │   └── FilmError     a DICOM file that cannot be used
    │   │       ├── NotDicom          no DICOM file at all
    │   │       ├── NotAFilm          a DICOM object that is no single grey picture
    │   │       ├── DamagedFilm       a header or pixel data that are cut off, or contradict each other
    │   │       ├── FilmTooLarge      more pixels, bytes or memory than allowed
    │   │       ├── FilmTooSlow       not decoded within the time allowed
    │   │       └── UnsupportedFilm   a compression that is unknown, or not installed
    │   ├── DataError         a data set that cannot be found, read or matched with a model
    │   ├── TargetError       a class that the model does not have
    │   └── ArchiveError      a backup that is damaged, or is none
    ├── ModelError            a model that cannot be had
    │   ├── SpecError         a model spec that cannot be understood
    │   ├── WeightsError      weights that do not fit, or are unsafe to load
    │   └── DownloadError     weights that cannot be downloaded here
    ├── ParamError            a knob, or ρ, outside its declared range
    ├── CannotExplain         the method's mathematics does not apply to this model
    ├── MethodError           a method stopped on an error that nobody foresaw
    ├── TrainingError         a training run that cannot go on, such as a loss that is not a number
    ├── OutputError           a result that cannot be written
    ├── StoreError            the database of runs, registered models and labels cannot be used
    ├── RightsError           somebody who may not do that
    ├── MemoryExhausted       one row alone does not fit into memory
    └── Cancelled             nobody waits for the answer any more

A message gives the value, the rule and the remedy, in one line, and no patient data.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class RhoscopeError(Exception):
    """Base of every error a user can cause; its text is one line and can be shown as it is."""


class InputError(RhoscopeError):
    """Something the user gave cannot be used."""


class ImageError(InputError):
    """A picture cannot be read, is too large, or does not suit the model."""


class FilmError(ImageError):
    """A DICOM file that cannot be used."""


class NotDicom(FilmError):
    """No DICOM file at all."""


class NotAFilm(FilmError):
    """A DICOM object that is no single grey picture: a report, a raw acquisition, a volume, a colour picture."""


class DamagedFilm(FilmError):
    """A header or pixel data that are cut off, or contradict each other."""


class FilmTooLarge(FilmError):
    """More pixels, bytes or memory than allowed."""


class FilmTooSlow(FilmError):
    """Not decoded within the time allowed."""


class UnsupportedFilm(FilmError):
    """A transfer syntax that is unknown, or whose decoder is not installed."""


class DataError(InputError):
    """A data set, or one of its files, cannot be found, read or matched with a model."""


class TargetError(InputError):
    """A target class that the model does not have."""


class ArchiveError(InputError):
    """A backup of a workspace is damaged, unsafe to unpack, or none at all."""


class ModelError(RhoscopeError):
    """A model cannot be had or used."""


class SpecError(ModelError):
    """A model spec string cannot be understood."""


class WeightsError(ModelError):
    """Weights are unsafe, damaged, or do not fit the network."""


class DownloadError(ModelError):
    """Weights would have to be downloaded, and that is not possible here."""


class ParamError(RhoscopeError):
    """A parameter, or ρ, is unknown or outside its declared range."""


class CannotExplain(RhoscopeError):
    """A method's mathematics does not apply to this network; the text says why."""


class MethodError(RhoscopeError):
    """A method stopped on an error that nobody foresaw; other jobs are unharmed."""


class TrainingError(RhoscopeError):
    """A training run that cannot go on; its last good checkpoint is kept."""


class OutputError(RhoscopeError):
    """A result cannot be written where it was asked for."""


class StoreError(RhoscopeError):
    """The database cannot be opened, read or written, or is newer than this program."""


class RightsError(RhoscopeError):
    """Nobody is named, or the person's role does not allow it."""


class MemoryExhausted(RhoscopeError):
    """Even a single row does not fit into the device's memory."""


class Cancelled(RhoscopeError):
    """The work was given up because nobody waits for it."""


def suggest(word: str, known: Iterable[str]) -> str:
    """A remedy for a misspelt name: the nearest known names, or all of them.

    >>> suggest("gradcm", ["gradcam", "ape"])
    "did you mean 'gradcam'?"
    """
    names = list(known)
    near = get_close_matches(word, names, n=2)
    if near:
        return f"did you mean {' or '.join(repr(name) for name in near)}?"
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return f"there is {shown}." if names else "there are none."
