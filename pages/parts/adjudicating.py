"""Items on which people disagree, and what a named person decides about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import streamlit as st
from PIL import Image

from annotations.adjudication import Adjudications, Decision
from annotations.campaigns import Campaign
from annotations.export import Label
from annotations.people import ROLES, People
from annotations.questions import Question, get_question
from explain_core.errors import RhoscopeError
from pages.parts.store import database

SIDE = 256
"""Small pictures are shown at the largest whole multiple of their size that fits into so many pixels."""


def show(campaign: Campaign, labels: Sequence[Label], name: str) -> None:
    """Of the labels that count."""
    answers: dict[str, dict[str, Label]] = defaultdict(dict)
    for label in labels:
        if label.kind == "ask":
            answers[label.item][label.rater] = label
    decided = Adjudications(database()).find(campaign.name)
    apart = [item for item, given in answers.items() if len({one.answer for one in given.values()}) > 1]
    st.markdown(f"**Items on which people disagree: {len(apart)} of {len(answers)}**")
    listed = [*apart, *(item for item in decided if item not in apart)]
    if not listed:
        return
    question = get_question(campaign.question)
    rows = [_row(question, item, answers[item], decided.get(item)) for item in listed]
    st.dataframe(pd.DataFrame(rows).fillna(""), hide_index=True, key="campaign-apart", alt="Disagreements")
    if any(one.name == name and "adjudicate" in ROLES[one.role] for one in People(database()).find()):
        listed.sort(key=lambda item: item in decided)
        _decide(campaign, question, listed, answers, decided, name)


def _row(question: Question, item: str, given: Mapping[str, Label], decision: Decision | None) -> dict[str, str]:
    told = f"{question.answer(str(decision.answer)).title} ({decision.by})" if decision else ""
    titles = {rater: question.answer(str(label.answer)).title for rater, label in given.items()}
    return {"Item": item, **titles, "Decided": told}


def _decide(
    campaign: Campaign, question: Question, items: Sequence[str], answers: Mapping[str, Mapping[str, Label]],
    decided: Mapping[str, Decision], name: str,
) -> None:  # fmt: skip
    """The item's two pictures side by side, what each said, and the decision: those without one come first."""
    item = str(
        st.selectbox(
            "Item", items, key=f"adjudicate-{campaign.name}", width=420, help="Your decision goes before all answers.",
            format_func=lambda one: f"{one} (decided)" if one in decided else one,
        )
    )  # fmt: skip
    store = Adjudications(database())
    _pictures(store.pictures(campaign.name, item), campaign.bundle_sha256)
    for rater, label in answers.get(item, {}).items():
        note = f"  “{label.note}”" if label.note else ""
        st.text(f"{rater}: {question.answer(str(label.answer)).title}{note}")
    try:
        if decision := decided.get(item):
            _stands(store, campaign, question, decision, name)
        else:
            _ask(store, campaign, question, item, name)
    except RhoscopeError as error:
        st.error(str(error))


def _pictures(places: Mapping[str, Path], bundle: str) -> None:
    for (side, path), column in zip(places.items(), st.columns(max(2, len(places))), strict=False):
        try:
            column.image(_enlarged(path, bundle), caption=side.capitalize(), output_format="PNG")
        except (OSError, Image.DecompressionBombError):
            column.error(f"The {side} picture is gone, or no picture: put the campaign's bundle back.")


@st.cache_data(max_entries=32, show_spinner=False)
def _enlarged(path: Path, bundle: str) -> Image.Image:
    """Pixel by pixel; cached for the bundle's hash too: another bundle may come to lie in its place."""
    with Image.open(path) as picture:
        times = max(1, SIDE // max(picture.size))
        return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def _stands(store: Adjudications, campaign: Campaign, question: Question, decision: Decision, name: str) -> None:
    why = f": “{decision.note}”" if decision.note else ""
    st.info(f"Decided: {question.answer(str(decision.answer)).title}, by {decision.by}{why}.", icon=":material/gavel:")
    if st.button("Take back", key=f"withdraw-{campaign.name}-{decision.item}", icon=":material/undo:"):
        store.decide(campaign.name, decision.item, None, by=name)
        st.rerun()


def _ask(store: Adjudications, campaign: Campaign, question: Question, item: str, name: str) -> None:
    key = f"{campaign.name}-{item}"
    with st.form(f"decide-{key}", border=False):
        titles = {one.name: one.title for one in question.answers}
        answer = st.radio(
            "Decision", list(titles), index=None, format_func=titles.__getitem__, key=f"decision-{key}", horizontal=True
        )
        note = st.text_input("Note", key=f"decision-note-{key}", max_chars=2000)
        pressed = st.form_submit_button("Decide", type="primary", icon=":material/gavel:")
    if pressed and answer is None:
        st.warning("Choose an answer first.")
    elif pressed:
        store.decide(campaign.name, item, answer, by=name, note=note.strip())
        st.rerun()
