"""A method's parameters as widgets, drawn from the schema; a fault is shown beside the widget it concerns."""

from __future__ import annotations

from typing import Any

import streamlit as st

from explain_core.errors import ParamError
from explain_core.params import AUTO, Choice, Knob, Params, Pattern, Range, knobs


def ask(schema: type[Params], key: str) -> Params | None:
    """The parameters as they are set, or None while one of them has a fault, which is then shown."""
    values = {knob.name: _ask_one(knob, f"{key}.{knob.name}") for knob in knobs(schema)}
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


def _ask_one(knob: Knob, key: str) -> Any:
    label = knob.name.replace("_", " ")
    if knob.optional and st.checkbox(
        f"{label}: {AUTO}", knob.default is None, key=f"{key}.{AUTO}", persist_state="session", help=knob.help
    ):
        return None
    value = _widget(knob, label, key)
    fault = knob.fault(value)
    if fault:
        st.error(f"{label} = {value!r}: {fault}.")
    return value


def _widget(knob: Knob, label: str, key: str) -> Any:
    match knob.rule:
        case Choice(options):
            start = options.index(knob.default) if knob.default in options else 0
            return st.selectbox(label, options, index=start, key=key, persist_state="session", help=knob.help)
        case Range() as rule:
            return _number(knob, rule, label, key)
        case Pattern(_, hint):
            return st.text_input(
                label, knob.default or "", key=key, persist_state="session", help=f"{knob.help} {hint}"
            )
    if knob.kind is bool:
        return st.toggle(label, bool(knob.default), key=key, persist_state="session", help=knob.help)
    return st.text_input(label, str(knob.default or ""), key=key, persist_state="session", help=knob.help)


def _number(knob: Knob, rule: Range, label: str, key: str) -> Any:
    """A field rather than a slider: every value of the range can be typed, and a wide range stays exact."""
    kind = knob.kind
    step = kind(rule.step) if rule.step else (1 if kind is int else None)
    start = knob.default if knob.default is not None else kind(rule.low)
    span = f"{rule.low:g} to {rule.high:g}{rule.unit and ' ' + rule.unit}"
    return st.number_input(
        label,
        min_value=kind(rule.low),
        max_value=kind(rule.high),
        value=start,
        step=step,
        format=None if kind is int else "%g",
        key=key,
        persist_state="session",
        help=f"{knob.help} {span}.",
    )
