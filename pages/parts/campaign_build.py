"""Building a campaign's items as a run, and opening a campaign about what was built."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from annotations.bundle import FILE, read_bundle
from annotations.campaigns import Campaigns, Plan
from annotations.workspace import runs_folder
from explain_core.campaign.params import CampaignParams
from explain_core.errors import RhoscopeError
from explain_core.params import Params
from pages.parts import knobs, runs
from pages.parts.store import database

KIND, ENDING = "campaign", ".campaign"
WIDE = 190


def show(name: str) -> None:
    _open(name)
    runs.watch(KIND)
    st.subheader("Make items", anchor=False)
    st.caption("Confident adversarial examples of pictures that the network gets right, beside their originals.")
    left, right = st.columns(2)
    model = left.text_input("Model", value="demo", key="campaign-model").strip()
    data = right.text_input("Pictures", key="campaign-data", placeholder="phantom-patches:400,5").strip()
    title = left.text_input("Title, as raters see it", key="campaign-title").strip()
    called = right.text_input("Name of the build", key="campaign-build", placeholder="letters, digits, dashes").strip()
    params = knobs.ask(CampaignParams, "campaign", WIDE)
    ready = params is not None and bool(model and data and called)
    if st.button("Make them", type="primary", icon=":material/play_arrow:", disabled=not ready) and params:
        _submit(model, data, title, called, params)


def _submit(model: str, data: str, title: str, called: str, params: Params) -> None:
    if runs.misnamed(called):
        return
    spec = {"model": model, "data": data, "beside": [], "params": params.as_dict(), "title": title}
    try:
        runs.store().submit(KIND, spec, title=called, out=runs_folder() / f"{called}{ENDING}")
        runs.set_going()
    except RhoscopeError as error:
        st.error(str(error))
        return
    st.rerun()


def _open(name: str) -> None:
    """What was built and has no campaign yet."""
    campaigns = Campaigns(database())
    used = {campaign.bundle for campaign in campaigns.find()}
    built = [path.parent for path in sorted(runs_folder().glob(f"*{ENDING}/bundle/{FILE}"))]
    waiting = {path.parent.name.removesuffix(ENDING): path for path in built if path.absolute() not in used}
    if not waiting:
        return
    st.subheader("Open a campaign", anchor=False)
    with st.form("campaign-opening", width=640):
        chosen = str(st.selectbox("Items", list(waiting), key="campaign-items"))
        called = st.text_input("Name of the campaign", value=chosen, key="campaign-name").strip()
        first, second, third = st.columns(3)
        overlap = first.number_input("People an item", 1, 100, 2, key="campaign-overlap")
        most = second.number_input("Where they disagree", 1, 100, 3, key="campaign-most")
        lease = third.number_input("Minutes an item is kept", 1, 1440, 10, key="campaign-lease")
        if st.form_submit_button("Open", type="primary"):
            plan = Plan(int(overlap), max(int(overlap), int(most)), int(lease) * 60)
            _opened(campaigns, called, waiting[chosen], plan, name)


def _opened(campaigns: Campaigns, called: str, folder: Path, plan: Plan, name: str) -> None:
    try:
        campaigns.create(called, read_bundle(folder), by=name, plan=plan)
    except RhoscopeError as error:
        st.error(str(error))
        return
    st.rerun()
