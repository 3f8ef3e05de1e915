"""The page's state in its address: whoever opens the link sees the same question.

No picture's name stands there; a phantom is named by its number in the gallery.  What differs from a method's
defaults stands there under the key of its widget, such as `2.ape.steps`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

LONGEST = 200


@dataclass(frozen=True)
class Field:
    """One name of the address: its default, whose type its values have, and what it may be (None: anything)."""

    default: Any
    allowed: Collection[Any] | None = None

    def read(self, text: str | None) -> Any:
        """The value of a text, or the default where it is none."""
        if text is None or len(text) > LONGEST:
            return self.default
        try:
            value = type(self.default)(text)
        except ValueError:
            return self.default
        return value if self.allowed is None or value in self.allowed else self.default


def restore(fields: Mapping[str, Field]) -> None:
    """Gives every name that the session does not know yet its value from the address."""
    for name, field in fields.items():
        if name not in st.session_state:
            st.session_state[name] = field.read(st.query_params.get(name))
        else:
            # Streamlit drops the value of a widget that another page did not draw; writing it keeps it.
            st.session_state[name] = st.session_state[name]


def others(fields: Mapping[str, Field]) -> dict[str, str]:
    """What else the address said when the session began, once: later the session knows better."""
    if st.session_state.setdefault("address-read", False):
        return {}
    st.session_state["address-read"] = True
    found = st.query_params.to_dict()
    return {name: text for name, text in found.items() if name not in fields and len(text) <= LONGEST}


def store(fields: Mapping[str, Field], others: Mapping[str, str]) -> None:
    """Writes what differs from the defaults into the address, and the other texts as they are."""
    now = {name: st.session_state[name] for name in fields}
    wanted = {name: str(value) for name, value in now.items() if value != fields[name].default}
    wanted |= {name: text for name, text in others.items() if len(text) <= LONGEST}
    if wanted != st.query_params.to_dict():
        st.query_params.from_dict(wanted)
