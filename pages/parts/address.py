"""The page's state in its address: whoever opens the link sees the same question.

No picture's name stands there; a phantom is named by its number in the gallery.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

LONGEST = 200


def restore(names: Mapping[str, Any]) -> None:
    """Gives every name that the session does not know yet its text from the address, or its default.

    A default's type is the value's type; what does not read as such is left out.
    """
    for name, default in names.items():
        if name not in st.session_state:
            st.session_state[name] = _read(name, default)
        else:
            # Streamlit drops the value of a widget that another page did not draw; writing it keeps it.
            st.session_state[name] = st.session_state[name]


def _read(name: str, default: Any) -> Any:
    text = st.query_params.get(name)
    if text is None or len(text) > LONGEST:
        return default
    try:
        return type(default)(text)
    except ValueError:
        return default


def store(names: Mapping[str, Any]) -> None:
    """Writes what differs from the defaults into the address."""
    wanted = {name: str(st.session_state[name]) for name, default in names.items() if st.session_state[name] != default}
    if wanted != st.query_params.to_dict():
        st.query_params.from_dict(wanted)
