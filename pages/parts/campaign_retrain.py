"""Retraining by a campaign's answers: what there is to go by, a named person starts it, and what became of it."""

from __future__ import annotations

import streamlit as st

from annotations import audit
from annotations.campaigns import Campaign, Campaigns
from annotations.retraining import Proposal, Retrainings
from annotations.settling import RULES
from annotations.workspace import runs_folder
from explain_core.errors import RhoscopeError
from explain_core.retraining.params import RetrainParams
from explain_core.retraining.plan import plan_of
from explain_core.training.recipe import parse_recipe, recipe_names
from pages.parts import knobs, proof_view, runs
from pages.parts.store import database

KIND, ENDING = "retrain", ".retrain"
OWN = ""
WIDE = 190


def show(name: str) -> None:
    found = [one for one in Campaigns(database()).find() if one.answers]
    if not found:
        st.info("Nobody has answered yet: retraining begins with answers.", icon=":material/info:")
        return
    runs.watch(KIND)
    chosen = str(st.selectbox("Campaign", [one.name for one in found], key="retrain-campaign", width=420))
    campaign = next(one for one in found if one.name == chosen)
    _propose(chosen)
    with st.expander("Start a retraining", icon=":material/model_training:"):
        _ask(campaign, name)
    proof_view.show(chosen, name)


@st.cache_data(max_entries=8, show_spinner="Settling the answers …")
def _proposal(campaign: str, head: str) -> Proposal:
    """Anew when the log has grown to `head`."""
    return Retrainings(database()).propose(campaign)


def _propose(campaign: str) -> None:
    """What a retraining would have to go by now."""
    proposal = _proposal(campaign, audit.head(database()))
    since = f"since the last retraining, {proposal.last:%Y-%m-%d %H:%M} UTC" if proposal.last else "so far"
    settled = ", ".join(f"{count} {answer}" for answer, count in proposal.settled.items())
    st.markdown(f"**{proposal.new} labels {since}.** Items by the majority of their answers: {settled}.")


def _ask(campaign: Campaign, name: str) -> None:
    st.caption(
        "What people say now is frozen into a manifest. Then three networks a seed are trained: with the examples that "
        "are called unchanged, with as many whatever was answered, and with plain adversarial ones. The proof compares "
        "them with each other and with the network before, on the same test pictures."
    )
    left, right = st.columns(2)
    rule = str(
        left.selectbox(
            "Several answers become one by", list(RULES), format_func=lambda row: RULES[row].title, key="retrain-rule"
        )
    )
    left.caption(RULES[rule].summary)
    recipe = str(
        right.selectbox(
            "Recipe", [OWN, *recipe_names()], key="retrain-recipe", help="Type to search.",
            format_func=lambda one: one or "the one that the network was trained by",
        )
    )  # fmt: skip
    changed = right.text_input(
        "Changes to it", key="retrain-settings", placeholder="schedule.epochs=15; schedule.batch=128",
        help="PART.FIELD=VALUE, with semicolons between them.",
    )  # fmt: skip
    test = left.text_input("Test pictures", key="retrain-test", placeholder="npz:FILE").strip()
    called = right.text_input(
        "Name of the retraining", key="retrain-name", placeholder="letters, digits, dashes"
    ).strip()
    params = knobs.ask(RetrainParams, "retrain", WIDE)
    if st.button("Freeze and start", type="primary", icon=":material/play_arrow:",
                 disabled=not (test and called and params)) and params:  # fmt: skip
        settings = [one.strip() for one in changed.split(";") if one.strip()]
        settings += [f"{knob}={value}" for knob, value in params.as_dict().items() if value is not None]
        _start(campaign, name, called, rule, recipe, test, settings)


def _start(campaign: Campaign, name: str, called: str, rule: str, recipe: str, test: str, settings: list[str]) -> None:
    if runs.misnamed(called):
        return
    try:
        plan = plan_of(str(campaign.spec.get("model", "")), test, recipe, settings)
        parse_recipe(plan["recipe"], settings=plan["settings"])
        store = Retrainings(database())
        store.start(campaign.name, plan, rule=rule, by=name, out=runs_folder() / f"{called}{ENDING}")
        runs.set_going()
    except RhoscopeError as error:
        st.error(str(error))
        return
    st.rerun()
