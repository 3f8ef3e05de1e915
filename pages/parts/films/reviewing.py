"""What stands on the Review page around the viewer: which exam, what must be known of it, who confirms what."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

from explain_core.dicom.views import VIEWS
from explain_core.errors import DataError, RhoscopeError
from explain_core.films.exams import Exam, exams, priors
from explain_core.films.record import CONFIRM, QUARANTINE, WHOSE, Record, confirm, whole_records
from explain_core.models.registry import workspace
from pages.parts import pixels
from pages.parts.films import viewer
from pages.parts.films.data import Rows, label, rows_of, viewer_data
from pages.parts.films.explaining import explanation

NO_PRIOR = "none"
SIDES = {"R": "right", "L": "left"}


def page() -> None:
    films = workspace() / "films"
    found = every_exam(films)
    held = sum(1 for _ in (films / QUARANTINE).glob("*/*/*.json"))
    if held:
        films_are = "1 film is" if held == 1 else f"{held} films are"
        st.caption(
            f"{films_are} in quarantine and not shown, since somebody may be named on such a film: whoever keeps this "
            "app looks (`rhoscope dicom list`)."
        )
    if not found:
        st.info("There are no films yet: whoever keeps this app brings them in, without their patients, by "
                "`rhoscope dicom import DIR`.", icon=":material/info:")  # fmt: skip
        return
    try:
        show(films, found)
    except RhoscopeError as error:
        st.error(str(error))


def show(films: Path, found: list[Exam]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        exam = ask_exam(found)
        prior = ask_prior(exam, found)
        chosen = ask_which(exam)
        others = ask_others(exam, chosen)
        if exam.notes():
            st.caption(":material/info: " + "; ".join(exam.notes()), width="stretch")
    rows = whole(films, rows_of(exam, chosen, prior, others))
    seen = [film for row in rows for _, film in row if film]
    key, regions, hanging = f"films-{exam.patient}-{exam.name}", drawn(exam), st.container()
    offer_regions(exam, regions)
    for film in seen:
        if film.state == "unconfirmed":
            ask_confirmation(films, film)
    overlays = explanation(films, seen) if seen else {}
    with hanging:
        data = viewer_data(rows, films, pixels.address, overlays=overlays, regions=regions)
        viewer(key, data, lambda: keep(key, exam))


def whole(films: Path, rows: Rows) -> Rows:
    """The same without films whose file is gone, which is said."""
    return [[(place, film if film and _opens(films, film) else None) for place, film in row] for row in rows]


def _opens(films: Path, film: Record) -> bool:
    try:
        film.open(films)
    except DataError as error:
        st.error(str(error))
        return False
    return True


def every_exam(films: Path) -> list[Exam]:
    """All exams of the workspace; records that are damaged are passed over."""
    return _exams(films, tuple((path, path.stat().st_mtime_ns) for path in sorted(films.glob("*/*/*.json"))))


@lru_cache(maxsize=2)
def _exams(films: Path, _as_of: tuple[tuple[Path, int], ...]) -> list[Exam]:
    return exams(whole_records(films))


def title(exam: Exam) -> str:
    waiting = sum(film.state == "unconfirmed" for film in exam.films)
    views = " ".join(film.label for film in exam.films)
    return f"{exam.patient} · {day(exam)} · {views}{f' · {waiting} {CONFIRM}' if waiting else ''}"


def day(exam: Exam) -> str:
    return f"{exam.date[:4]}-{exam.date[4:6]}-{exam.date[6:]}" if exam.date else exam.name


def ask_exam(found: list[Exam]) -> Exam:
    named = {f"{one.patient}/{one.name}": one for one in found}
    asked = st.selectbox("Exam", list(named), format_func=lambda name: title(named[name]), key="review-exam", width=520)
    return named[str(asked)]


def ask_prior(exam: Exam, found: list[Exam]) -> Exam | None:
    """One of the same patient's earlier exams, to hang beside this one."""
    earlier = {day(one): one for one in priors(exam, found)}
    if not earlier:
        return None
    asked = st.selectbox("Prior exam beside it", [NO_PRIOR, *earlier], key=f"review-prior-{exam.patient}", width=200)
    return earlier.get(str(asked))


def ask_which(exam: Exam) -> dict[str, Record]:
    """Where a view is there several times, which of its films hangs."""
    hung, chosen = exam.hung(), {}
    for place, times in Counter(film.label for film in exam.films).items():
        if place in hung and times > 1:
            same = {told(film): film for film in exam.films if film.label == place}
            first = list(same.values()).index(hung[place])
            key = f"review-which-{exam.patient}-{exam.name}-{place}"
            chosen[place] = same[str(st.selectbox(f"{place}, {times} films", list(same), first, key=key, width=220))]
    return chosen


def ask_others(exam: Exam, chosen: dict[str, Record]) -> list[Record]:
    """Films that are none of the four views, or not the one of several that hangs."""
    hung = {film.film for film in {**exam.hung(), **chosen}.values()}
    rest = {film.film: film for film in exam.films if film.film not in hung}
    if not rest:
        return []
    start = [name for name, film in rest.items() if "?" in film.label]
    if not hung:
        start = list(rest)
    picked = st.multiselect(
        "Other films", list(rest), default=start, format_func=lambda name: told(rest[name]), width=320,
        key=f"review-others-{exam.patient}-{exam.name}",
    )  # fmt: skip
    return [rest[name] for name in picked]


def told(film: Record) -> str:
    return ", ".join([label(film), *film.facts.modifiers, film.film])


def drawn(exam: Exam) -> dict[str, list[dict[str, Any]]]:
    """What was drawn in this session, by film."""
    every: dict[str, list[dict[str, Any]]] = st.session_state.setdefault("review-regions", {})
    return {film.film: every[film.film] for film in exam.films if film.film in every}


def keep(key: str, exam: Exam) -> None:
    """What was drawn on this exam's films; of others nothing is taken."""
    said = st.session_state[key].get("act") or {}
    names = {film.film for film in exam.films}
    every = st.session_state.setdefault("review-regions", {})
    every.update({film: regions for film, regions in said.get("regions", {}).items() if film in names})


def offer_regions(exam: Exam, regions: dict[str, list[dict[str, Any]]]) -> None:
    count = sum(map(len, regions.values()))
    if not count:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{count} regions are drawn. They stay while this page is open, and are kept nowhere else:")
        st.download_button(
            "Download (JSON)", data=json.dumps(regions, indent=1), file_name=f"regions-{exam.patient}-{exam.name}.json",
            mime="application/json", key="review-download", icon=":material/download:", on_click="ignore",
        )  # fmt: skip


def ask_confirmation(films: Path, film: Record) -> None:
    """What waits for a person, and the form that answers it."""
    waiting = [note for note in film.notes if note.endswith(CONFIRM)]
    with st.container(border=True), st.form(f"confirm-{film.film}", border=False):
        st.markdown(f"**{label(film)}**, film `{film.film}`: " + "; ".join(waiting))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            side = st.selectbox("Breast", list(SIDES), index=_place(list(SIDES), film.facts.laterality),
                                format_func=SIDES.__getitem__, placeholder="Look at it", width=160)  # fmt: skip
            view = st.selectbox("View", list(VIEWS), index=_place(list(VIEWS), film.facts.view),
                                placeholder="Look at it", width=160)  # fmt: skip
            whose = any(note.endswith(WHOSE) for note in waiting) and st.checkbox(
                f"I have made sure that it is a film of {film.patient}", value=False
            )
            sent = st.form_submit_button("Confirm what is seen", icon=":material/check:")
    if sent:
        confirm(films, film, side or "", view or "", whose=bool(whose))
        st.rerun()


def _place(options: Sequence[str], value: str) -> int | None:
    """Where a guess stands; nothing is chosen where there is none."""
    return options.index(value) if value in options else None
