"""The table of protocols: each a table or figure of a paper.  To add one: write its file, add its row."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from explain_core.errors import ParamError, suggest
from explain_core.protocols import ape, perceptual_ball, robustness
from explain_core.protocols.base import Protocol

ROWS: tuple[Protocol, ...] = (*perceptual_ball.PROTOCOLS, *ape.PROTOCOLS, *robustness.PROTOCOLS)

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType({protocol.name: protocol for protocol in ROWS})


def get_protocol(name: str) -> Protocol:
    """The row of that name; raises ParamError."""
    if name not in PROTOCOLS:
        raise ParamError(f"No protocol {name!r}: {suggest(name, PROTOCOLS)}")
    return PROTOCOLS[name]
