"""A method's parameters as widgets, drawn from the schema; a fault is shown beside the widget it concerns."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import streamlit as st

from explain_core.errors import ParamError
from explain_core.params import AUTO, Choice, Knob, Params, Pattern, Range, knobs


def ask(schema: type[Params], key: str, width: int | None = None) -> Params | None:
    """The parameters as they are set, or None while one of them has a fault, which is then shown.

    They stand below each other, or, each so many screen pixels wide, beside each other as far as there is room.
    """
    row = st.container(horizontal=True, vertical_alignment="bottom") if width else None
    values = {}
    for knob in knobs(schema):
        with row.container(width=width) if row and width else nullcontext():
            values[knob.name] = _ask_one(knob, f"{key}.{knob.name}")
    faults = [knob for knob in knobs(schema) if knob.fault(values[knob.name])]
    if faults:
        return None
    try:
        return schema(**values)
    except ParamError as error:
        st.error(str(error))
        return None


def reset(schema: type[Params], key: str) -> None:
    """Back to the defaults."""
    for knob in knobs(schema):
        for name in (f"{key}.{knob.name}", f"{key}.{knob.name}.{AUTO}"):
            st.session_state.pop(name, None)


def differing(params: Params, key: str) -> dict[str, str]:
    """What differs from the defaults, by the key of its widget, as texts that `put` reads."""
    defaults, values = type(params)().as_dict(), params.as_dict()
    return {f"{key}.{name}": _text(value) for name, value in values.items() if value != defaults[name]}


def put(schema: type[Params], key: str, texts: Mapping[str, str]) -> None:
    """Sets the widgets whose keys are in `texts`; what is no value of its knob is passed over."""
    for knob in knobs(schema):
        name = f"{key}.{knob.name}"
        if name in texts:
            _put_one(knob, name, texts[name])


def _put_one(knob: Knob, key: str, text: str) -> None:
    try:
        value = knob.parse(text)
    except ParamError:
        return
    if knob.fault(value):
        return
    if knob.optional:
        st.session_state[f"{key}.{AUTO}"] = value is None
    if value is not None:
        st.session_state[key] = value


def _text(value: Any) -> str:
    return AUTO if value is None else str(value)


def _ask_one(knob: Knob, key: str) -> Any:
    label = knob.name.replace("_", " ")
    # A start value goes into the session, not into the widget: the address may have put another one there.
    if knob.optional:
        st.session_state.setdefault(f"{key}.{AUTO}", knob.default is None)
        if st.checkbox(f"{label}: {AUTO}", key=f"{key}.{AUTO}", persist_state="session", help=knob.help):
            return None
    st.session_state.setdefault(key, _start(knob))
    value = _widget(knob, label, key)
    fault = knob.fault(value)
    if fault:
        st.error(f"{label} = {value!r}: {fault}.")
    return value


def _start(knob: Knob) -> Any:
    """Where a widget stands until somebody moves it."""
    if knob.default is not None:
        return knob.default
    match knob.rule:
        case Range(low):
            return knob.kind(low)
        case Choice(options):
            return options[0]
    return knob.kind()


def _widget(knob: Knob, label: str, key: str) -> Any:
    match knob.rule:
        case Choice(options):
            return st.selectbox(label, options, key=key, persist_state="session", help=knob.help)
        case Range() as rule:
            return _number(knob, rule, label, key)
        case Pattern(_, hint):
            return st.text_input(label, key=key, persist_state="session", help=f"{knob.help} {hint}")
    if knob.kind is bool:
        return st.toggle(label, key=key, persist_state="session", help=knob.help)
    return st.text_input(label, key=key, persist_state="session", help=knob.help)


def _number(knob: Knob, rule: Range, label: str, key: str) -> Any:
    """A field rather than a slider: every value of the range can be typed, and a wide range stays exact."""
    kind = knob.kind
    step = kind(rule.step) if rule.step else (1 if kind is int else None)
    span = f"{rule.low:g} to {rule.high:g}{rule.unit and ' ' + rule.unit}"
    return st.number_input(
        label,
        min_value=kind(rule.low),
        max_value=kind(rule.high),
        step=step,
        format=None if kind is int else "%g",
        key=key,
        persist_state="session",
        help=f"{knob.help} {span}.",
    )
