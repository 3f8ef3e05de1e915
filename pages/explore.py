"""Explore: four explanations of one picture side by side, and one slider over the size of the change they need."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explain_core.data.images import fit
from explain_core.export import bundle
from explain_core.methods import METHODS
from explain_core.path import RHO_GRID, curve, nearest, ranking
from pages.parts import address, choices, figures, pace, panels, source, subject
from pages.parts.address import Field
from pages.parts.choices import COLUMNS, VIEWS, Panel
from pages.parts.desk import Desk
from pages.parts.solver import shared_engine
from pages.parts.subject import Subject
from pages.parts.viewer import bar, solving
from pages.parts.viewer import panel as viewer

COMPARED = {"no": "Nothing", "class": "A class", "model": "A model"}
SCALES = {"own": "Each panel", "shared": "Shared by all"}
FIRST_METHODS = ("gradcam", "perceptual-ball", "ape", "explain-plus")
QUICK = 60.0  # seconds that the rest of a path may take and still be begun without being asked for
IN_ADDRESS = {
    "source": Field("phantom", source.SOURCES),
    "phantom": Field(0),
    "model": Field("demo"),
    "target": Field("top1"),
    "compare": Field("no", COMPARED),
    "target2": Field("top2"),
    "model2": Field("demo-shortcut"),
    "target3": Field("same"),
    **{f"method{number}": Field(name, METHODS) for number, name in enumerate(FIRST_METHODS)},
    **{f"view{number}": Field("same", ("same", *VIEWS)) for number in range(COLUMNS)},
    "view": Field("overlay", VIEWS),
    "scale": Field("own", SCALES),
    "rho": Field(0.05),
    "opacity": Field(7, range(panels.OPACITIES + 1)),
}


def page() -> None:
    address.restore(IN_ADDRESS)
    choices.put(address.others(IN_ADDRESS))
    st.caption(
        "Four methods answer one question: which part of the picture carries the decision? "
        "ρ is how much of the picture they may change to find out."
    )
    engine = shared_engine()
    desk: Desk = st.session_state.setdefault("desk", Desk(engine))
    subjects = ask(engine)
    if subjects:
        st.session_state["card"] = subjects[0].card
        compare_on(desk, subjects)
    else:
        desk.want([])


def ask(engine: subject.Predicts) -> list[Subject]:
    """The upper row: picture, model and class, and what the model says; it wraps where the window is narrow."""
    with st.container(horizontal=True, gap="small"):
        picking, showing, naming, saying = (st.container(width=width) for width in (270, 210, 310, 400))
    with picking:
        chosen = source.choose()
    if chosen is None:
        return []
    with showing:
        source.show(chosen)
    st.session_state["picture-name"] = chosen.name
    with naming:
        subjects = ask_subjects(engine, chosen)
    with saying:
        for row, found in enumerate(subjects if st.session_state["compare"] == "model" else subjects[:1]):
            show_predictions(found, row)
    return subjects


def ask_subjects(engine: subject.Predicts, chosen: source.Chosen) -> list[Subject]:
    see = partial(fit, chosen.picture)
    first = subject.choose(engine, see)
    compared = _pick(st.container(), "Put beside it", COMPARED, "compare")
    if first is None or compared == "no":
        return [first] if first else []
    if compared == "class":
        second = subject.choose(engine, see, "target2", spec=first.card.spec)
    else:
        second = subject.choose(engine, see, "target3", model="model2", same=first.target_name)
    return [first, second] if second else [first]


def show_predictions(found: Subject, row: int) -> None:
    best = ranking(found.probabilities)[:5]
    names = [found.card.classes[index] for index in best]
    values = [float(found.probabilities[index]) for index in best]
    st.markdown(f"**{found.model}** says: {names[0]}, {values[0]:.1%}")
    words = ", ".join(f"{name} {value:.1%}" for name, value in zip(names, values, strict=True))
    st.plotly_chart(
        figures.predictions(names, values),
        config=figures.QUIET,
        key=f"predictions-{row}",
        alt=f"Most probable classes according to {found.model}: {words}",
    )


def compare_on(desk: Desk, subjects: list[Subject]) -> None:
    """Views, panels, and the fragment that fills them."""
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    view = _pick(left, "View", VIEWS, "view")
    _pick(right, "Colour scale", SCALES, "scale")
    slider_place = st.container()
    pass_seconds = desk.pace.seconds(subjects[0].card.sha256, "", 1, subjects[0].pixels.shape)
    here = "not measured yet" if pass_seconds is None else f"{pass_seconds:.2g} s"
    st.caption(f"A method for each column; in brackets, its passes for each ρ. One pass here: {here}.")
    chosen = []
    for number, column in enumerate(st.columns(COLUMNS)):
        with column:
            chosen.append(choices.ask(number, view))
    asked = [choices.panel(choice, found, row) for row, found in enumerate(subjects) for choice in chosen]
    want(desk, asked)
    st.fragment(watch, run_every=1.0 if desk.busy else None)(desk, asked, desk.state)
    st.fragment(show)(desk, asked, slider_place)


def want(desk: Desk, asked: list[Panel]) -> None:
    """What is seen is asked for; the rest of a path too, once it is known to be quick."""
    rho = nearest(st.session_state["rho"])
    for panel in asked:
        rest = desk.held(panel.jobs)
        seconds = panel.seconds(len(rest), desk.pace)
        if seconds is not None and seconds <= QUICK:
            desk.release(rest)
    desk.want([wish for panel in asked for wish in panel.wishes(rho)])


def _pick(place: DeltaGenerator, label: str, options: Mapping[str, str], key: str) -> str:
    """One of a few, by buttons."""
    picked = place.segmented_control(
        label, list(options), format_func=options.__getitem__, key=key, required=True, wrap=True
    )
    return str(picked)


def watch(desk: Desk, asked: list[Panel], drawn: tuple[int, int]) -> None:
    """Looks for answers once a second, and draws the page again only when it is not as it was `drawn`.

    Drawing everything at every look would hold Python's lock, and starve the engine's thread; so what is
    not solved yet reaches its panel by itself, and small.
    """
    desk.poll()
    if desk.state != drawn:
        st.rerun()
    show_progress(desk, asked)


def show(desk: Desk, asked: list[Panel], slider_place: DeltaGenerator) -> None:
    """Slider, panels and curves; a move of the slider runs this and nothing else."""
    with slider_place:
        rho = ask_rho()
    address.store(IN_ADDRESS, choices.differing(panel.choice for panel in asked[:COLUMNS]))
    drawn = desk.state
    want(desk, asked)
    if desk.state != drawn:
        st.rerun()
    scales = panels.shared_scales(asked, desk) if st.session_state["scale"] == "shared" else [None] * len(RHO_GRID)
    rows = [asked[start : start + COLUMNS] for start in range(0, len(asked), COLUMNS)]
    for row in rows:
        if len(rows) > 1:
            st.markdown(f"**{row[0].subject.title}**")
        for column, panel in zip(st.columns(COLUMNS), row, strict=True):
            with column:
                viewer(f"panel{panel.number}", panels.data_of(panel, desk, scales))
    show_curves(desk, asked, rho)
    offer_downloads(desk, asked)


def ask_rho() -> float:
    """The two sliders, ρ and the opacity of the overlay; returns ρ."""
    wide, narrow = st.columns([2, 1])
    with wide:
        start = RHO_GRID.index(nearest(st.session_state["rho"]))
        texts, everyone = [f"{rho:g}" for rho in RHO_GRID], list(range(len(RHO_GRID)))
        index = bar("rho", "Size of the change, ρ (RMS, pixels in 0 … 1):", texts, everyone, start)
    with narrow:
        texts = [f"{step / panels.OPACITIES:.0%}" for step in range(panels.OPACITIES + 1)]
        start = st.session_state["opacity"]
        st.session_state["opacity"] = bar("opacity", "Opacity of the overlay:", texts, [0, 5, 10], start)
    st.session_state["rho"] = RHO_GRID[index]
    return RHO_GRID[index]


def show_progress(desk: Desk, asked: list[Panel]) -> None:
    """Always the same height, so that nothing jumps when the last answer arrives."""
    with st.container(horizontal=True, vertical_alignment="center", height=48, border=False, key="progress"):
        if desk.busy:
            with st.container(horizontal=True, gap=None):
                solving(panels.solving(asked, desk, nearest(st.session_state["rho"])))
                st.progress(desk.progress, text=f"{desk.done} of {desk.of} explanations solved")
            offer_rest(desk, asked)
            st.button("Cancel", key="cancel", width=110, on_click=desk.cancel)
        elif desk.stopped:
            st.markdown("Stopped. What was solved stays here.")
            st.button("Continue", key="continue", width=110, on_click=desk.resume)
        elif any(desk.held(panel.jobs) for panel in asked):
            st.caption(f"{desk.of} explanations are solved. Long paths are solved where the slider rests, or at once:")
            offer_rest(desk, asked)
        else:
            st.caption(f"All {desk.of} explanations are solved: move the slider, nothing is computed again.")


def offer_rest(desk: Desk, asked: list[Panel]) -> None:
    """The paths that are too long to be begun without being asked for, with the time that each may take."""
    rest = {panel.number: desk.held(panel.jobs) for panel in asked}
    offered = {panel.number: panel for panel in asked if rest[panel.number]}
    if not offered:
        return

    labels = choices.labels(asked)

    def name(number: int) -> str:
        panel, count = offered[number], len(rest[number])
        seconds = panel.seconds(count, desk.pace)
        return f"{labels[number]}: {count} values of ρ{'' if seconds is None else ', ' + pace.words(seconds)}"

    def begin() -> None:
        desk.release(rest[st.session_state["whole-path"]])
        want(desk, asked)

    st.menu_button("Whole path", list(offered), format_func=name, key="whole-path", width=140, on_click=begin)


def show_curves(desk: Desk, asked: list[Panel], rho: float) -> None:
    lines, labels = {}, choices.labels(asked)
    for panel in asked:
        answers = [answer for job in panel.jobs if (answer := desk.answer(job)) is not None]
        if panel.choice.method.rho != "none" and panel.jobs and panel.choice.bounded:
            lines[labels[panel.number]] = (panel.number, curve(answers, panel.subject.card.kind))
    if not lines:
        return
    st.subheader("How the model's belief depends on ρ", anchor=False)
    target = asked[0].subject.target_name if len(asked) == COLUMNS else "the class asked about"
    chart, said = st.columns([2, 1])
    chart.plotly_chart(
        figures.curves(lines, rho, target),
        config=figures.QUIET,
        key="curves",
        alt=f"Probability of {target} against ρ. Decision: {figures.words(lines)}",
    )
    said.markdown(
        "**The decision …**\n\n" + "\n".join(f"- {label}: {figures.flip(line)}" for label, (_, line) in lines.items())
    )


def offer_downloads(desk: Desk, asked: list[Panel]) -> None:
    """One zip per row; it is built when somebody asks for it."""
    for start in range(0, len(asked), COLUMNS):
        row = asked[start : start + COLUMNS]
        answers = {job: answer for panel in row for job in panel.jobs if (answer := desk.answer(job)) is not None}
        name, classes = st.session_state["picture-name"], row[0].subject.card.classes
        st.download_button(
            f"Download {len(answers)} explanations (npz, PNG, JSON)",
            data=partial(bundle, list(answers.values()), image=name, classes=classes),
            file_name=f"rhoscope-{name}.zip" if start == 0 else f"rhoscope-{name}-second.zip",
            mime="application/zip",
            key=f"download{start}",
            icon=":material/download:",
            on_click="ignore",
            disabled=not answers,
        )


page()
