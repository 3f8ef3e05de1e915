"""`manifest:NAME[@VERSION]`: a data set of the library, as long as it is what it was."""

from __future__ import annotations

from explain_core.data.sources.base import DataSet
from explain_core.errors import DataError


def read_manifest(spec: str, argument: str) -> DataSet:
    """The set that a manifest was made of; raises DataError where it has changed since."""
    from explain_core.data import manifest  # which reads data sets, by the table that has this row
    from explain_core.data.sources import load_data

    name, _, version = argument.partition("@")
    found = manifest.find(name, version or None)
    data = load_data(found.spec)
    if data.sha256 != found.sha256:
        raise DataError(
            f"{spec}: the data have changed since this manifest was made; `rhoscope library verify {argument}` says "
            f"what, and `rhoscope library manifest {name} SPEC` keeps them as the next version."
        )
    return data
