"""What became of retrainings: a figure, a sentence, the numbers, and whether a network takes the other's place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from annotations.retraining import Retraining, Retrainings
from explain_core.errors import RhoscopeError
from explain_core.evaluation.folder import read_json
from explain_core.models import registry
from explain_core.retraining.arms import ARMS, OWN
from explain_core.retraining.long import PROOF, network_of
from explain_core.retraining.manifest import FILE
from explain_core.retraining.proof import BEFORE, TITLES
from pages.parts.figures import COLOURS, MARKED
from pages.parts.store import database

NAMES = {BEFORE: "Before", **{name: arm.title for name, arm in ARMS.items()}}


def show(campaign: str, name: str) -> None:
    """Of the retrainings of a campaign that are done, the one chosen."""
    found = {one.folder.stem: one for one in Retrainings(database()).find(campaign) if (one.folder / PROOF).is_file()}
    if not found:
        return
    st.subheader("What became of it", anchor=False)
    chosen = found[str(st.selectbox("Retraining", list(found), key="proof-chosen", width=420))]
    proof = read_json(chosen.folder / PROOF)
    if proof is None or proof.get("manifest_sha256") != chosen.manifest_sha256:
        st.warning("Its proof is not of the manifest that was frozen: run it again in another folder.")
        return
    st.markdown(f"**{proof['sentence']}**")
    st.plotly_chart(figure(proof), key="proof-figure", config={"displaylogo": False})
    st.dataframe(pd.DataFrame(_rows(proof)), hide_index=True, key="proof-differences", alt="Differences")
    st.caption(
        "Differences are of the network retrained with what was called unchanged, less the other: paired by test "
        "picture and seed, 95 % bootstrap intervals. “To be found” is the smallest difference that such an experiment "
        "finds four times of five."
    )
    _files(chosen, proof)
    _promote(chosen, proof, name)


def figure(proof: Mapping[str, Any]) -> go.Figure:
    """A panel a figure of merit: the mean of each arm with its interval, and its networks as small dots."""
    made = make_subplots(rows=1, cols=len(TITLES), subplot_titles=list(TITLES.values()), horizontal_spacing=0.08)
    for column, metric in enumerate(TITLES, 1):
        for number, arm in enumerate(NAMES):
            one = next(each for each in proof["figures"] if (each["arm"], each["metric"]) == (arm, metric))
            spans = {"array": [one["high"] - one["value"]], "arrayminus": [one["value"] - one["low"]], "color": MARKED}
            made.add_scatter(
                x=[NAMES[arm]], y=[one["value"]], mode="markers", row=1, col=column, showlegend=False,
                error_y={"type": "data", "symmetric": False, **spans},
                marker={"size": 12, "color": COLOURS[number % len(COLOURS)]},
                hovertemplate="%{x}: %{y:.4g}<extra></extra>",
            )  # fmt: skip
            made.add_scatter(
                x=[NAMES[arm]] * len(one["networks"]), y=one["networks"], mode="markers", row=1, col=column,
                showlegend=False, marker={"size": 5, "color": MARKED, "symbol": "line-ew-open"},
                hovertemplate="one network: %{y:.4g}<extra></extra>",
            )  # fmt: skip
    made.update_layout(height=380, margin={"l": 0, "r": 10, "t": 30, "b": 0})
    made.update_yaxes(rangemode="tozero")
    return made


def _rows(proof: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"Figure": TITLES[one["metric"]], "Less": NAMES[one["against"]], "Difference": one["value"],
         "95 % from": one["low"], "to": one["high"], "To be found": one["detectable"],
         "Shown": "yes" if one["shown"] else "no"}
        for one in proof["differences"]
    ]  # fmt: skip


def _files(chosen: Retraining, proof: Mapping[str, Any]) -> None:
    with st.container(horizontal=True):
        texts = {"Manifest": _text(chosen.folder / FILE), "Proof": json.dumps(proof, indent=1)}
        for title, text in texts.items():
            st.download_button(
                f"{title} (JSON)", text, f"{chosen.folder.stem}-{title.lower()}.json", key=f"proof-{title}",
                on_click="ignore", icon=":material/download:",
            )  # fmt: skip


def _text(path: Path) -> str:
    return path.read_text("utf-8")


def _promote(chosen: Retraining, proof: Mapping[str, Any], name: str) -> None:
    with st.expander("Let it take the current network's place", icon=":material/published_with_changes:"):
        st.caption("Copies the network of the first seed into the library, as the current version of a name.")
        with st.form("promote", border=False):
            model = st.text_input("Model", key="promote-name", placeholder="letters, digits and dashes").strip()
            why = st.text_input("Why", key="promote-why", max_chars=500).strip()
            forward, back = st.columns(2)
            promoted = forward.form_submit_button("Promote", type="primary", icon=":material/upgrade:")
            undone = back.form_submit_button("Roll back", icon=":material/undo:", help="Undoes the last promotion.")
        if promoted or undone:
            try:
                _decide(chosen if promoted else None, model, why, name)
            except RhoscopeError as error:
                st.error(str(error))


def _decide(chosen: Retraining | None, model: str, why: str, name: str) -> None:
    store = Retrainings(database())
    store.check_right(name)
    if chosen is None:
        made = registry.roll_back(model, by=name, why=why)
    else:
        made = registry.promote(network_of(chosen.folder, _first_seed(chosen)), model, by=name, why=why)
    store.promoted(
        model, made.version, made.before, why=why, by=name, manifest_sha256=chosen.manifest_sha256 if chosen else None
    )
    st.success(f"`registry/{model}` is version {made.version} now.")


def _first_seed(chosen: Retraining) -> int:
    """The lowest of the folder's networks."""
    return min(int(path.name.rpartition("-")[2]) for path in chosen.folder.glob(f"{OWN}-*"))
