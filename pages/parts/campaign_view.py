"""A campaign as its organiser sees it: how far it is, how good the answers are, where people disagree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd
import streamlit as st

from annotations import audit
from annotations.agreement import AGREEMENT, Share
from annotations.campaigns import CLOSED, OPEN, Campaign, Campaigns
from annotations.export import EXPORTS, Label, export, read_labels
from annotations.quality import Quality, quality
from annotations.questions import get_question
from pages.parts import adjudicating
from pages.parts.store import database


def show(name: str) -> None:
    campaigns = Campaigns(database())
    found = campaigns.find()
    if not found:
        st.info("There is no campaign yet: build one beside this.", icon=":material/info:")
        return
    st.dataframe(pd.DataFrame([_row(one) for one in found]), hide_index=True, key="campaigns", alt="Campaigns")
    chosen = str(st.selectbox("Campaign", [one.name for one in found], key="campaign-chosen", width=420))
    campaign = campaigns.get(chosen)
    _state(campaigns, campaign, name)
    labels, found_out = _found_out(campaign, audit.head(database()))
    if not labels:
        st.caption("Nobody has answered yet.")
        return
    _quality(found_out)
    _people(labels)
    adjudicating.show(campaign, labels, name)
    _export(campaign)


@st.cache_data(max_entries=8, show_spinner="Reading the answers …", hash_funcs={Campaign: lambda one: one.name})
def _found_out(campaign: Campaign, head: str) -> tuple[list[Label], Quality]:
    """The labels that count, and what they are worth; anew when the log has grown to `head`."""
    labels = read_labels(database(), campaign.name)
    return [one for one in labels if one.counts], quality(get_question(campaign.question), labels)


def _row(one: Campaign) -> dict[str, object]:
    return {"Campaign": one.name, "Title": one.title, "State": one.state, "Question": one.question,
            "Items": one.items, "Answers": one.answers, "People an item": one.plan.overlap, "By": one.author,
            "Since": one.created}  # fmt: skip


def _state(campaigns: Campaigns, campaign: Campaign, name: str) -> None:
    label, state = ("Close", CLOSED) if campaign.state == OPEN else ("Open again", OPEN)
    if st.button(label, key="campaign-state", help="Answers that come after closing are kept, and marked late."):
        campaigns.set_state(campaign.name, state, by=name)
        st.rerun()


def _quality(found: Quality) -> None:
    left, right = st.columns(2, gap="medium")
    left.markdown("**Agreement between raters**")
    rows = [
        {"Statistic": AGREEMENT[name].title, "Value": one.value, "95 % from": one.low, "to": one.high,
         "Items": one.items, "Remark": one.reason}
        for name, one in found.agreement.items()
    ]  # fmt: skip
    three = {name: st.column_config.NumberColumn(format="%.3f") for name in ("Value", "95 % from", "to")}
    left.dataframe(pd.DataFrame(rows), hide_index=True, key="campaign-agreement", alt="Agreement", column_config=three)
    right.markdown("**Each rater's own care**")
    right.dataframe(pd.DataFrame(_care(found.gold, found.consistency)), hide_index=True, key="campaign-care",
                    alt="Gold items and repeats by rater")  # fmt: skip
    told = ", ".join(f"{count} {answer}" for answer, count in found.answers.items())
    st.caption(f"Answers: {told}." + (f" {found.late} came late." if found.late else ""))


def _care(gold: Mapping[str, Share], repeats: Mapping[str, Share]) -> list[dict[str, object]]:
    return [
        {"Rater": name, "Gold items right": _share(gold.get(name)), "Repeats answered alike": _share(repeats.get(name))}
        for name in sorted({*gold, *repeats})
    ]


def _share(share: Share | None) -> str:
    if share is None or share.value is None:
        return "–"
    return f"{share.count} of {share.of} ({share.low:.0%} – {share.high:.0%})"


def _people(labels: Sequence[Label]) -> None:
    """How many answers, and how long an item takes: the median of the time that it was looked at."""
    times = defaultdict(list)
    for label in labels:
        times[label.rater].append(label.active_ms)
    rows = []
    for name, each in sorted(times.items()):
        known = [ms / 1000 for ms in each if ms is not None]
        median = pd.Series(known).median() if known else None
        rows.append({"Rater": name, "Answers": len(each), "Seconds an item": median})
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="campaign-people", alt="Raters")


def _export(campaign: Campaign) -> None:
    """Each file is made when it is asked for."""
    drawn = get_question(campaign.question).shapes
    with st.container(horizontal=True):
        for name, form in EXPORTS.items():
            if drawn or not form.drawn:
                st.download_button(
                    form.title, partial(export, database(), campaign.name, name), f"{campaign.name}{form.suffix}",
                    key=f"campaign-{name}", on_click="ignore", icon=":material/download:",
                    help="Needs the pictures of the campaign's bundle." if form.drawn else None,
                )  # fmt: skip
