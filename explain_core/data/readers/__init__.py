"""Annotation files of public mammography data sets, as regions of films.  To add one: its row in READERS."""

from __future__ import annotations

from types import MappingProxyType

from explain_core.data.readers import cbis, inbreast, mias, vindr
from explain_core.data.readers.base import Marks, Reader
from explain_core.errors import InputError, suggest

READERS = MappingProxyType({row.name: row for row in (cbis.READER, inbreast.READER, vindr.READER, mias.READER)})

__all__ = ["READERS", "Marks", "Reader", "get_reader"]


def get_reader(name: str) -> Reader:
    """Raises InputError for a data set that there is none for."""
    if name not in READERS:
        raise InputError(f"Data set {name!r}: {suggest(name, READERS)}")
    return READERS[name]
