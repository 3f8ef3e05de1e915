"""One decoder for all tests: starting it takes a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from explain_core.dicom.decode import Decoder


@pytest.fixture(scope="session")
def decoder() -> Iterator[Decoder]:
    with Decoder() as started:
        yield started
