"""Shows who is here on every page, hears whether somebody is, and closes the pages where nobody is any more."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pages.parts import guests, sign_in
from pages.parts.sign_in import SIGN_OUT, Signed

LOOK_S = 30.0
"""How often a page looks whether it is still open to whom it shows."""
_ears = st.components.v2.component(
    "rhoscope_ears", js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"), isolate_styles=False
)


def keep_watch(where: str) -> None:
    """Shows who is here, on this page, and sees that it closes when nobody is any more."""
    signed = sign_in.signed_in()
    if signed and sign_in.PRESENCE.here(signed):
        # Going to another page is a sign of somebody, whose click is lost with the page that heard it.
        if st.session_state.get("where", where) != where:
            sign_in.PRESENCE.act(signed)
        st.session_state["where"] = where
        st.fragment(_watch)(signed, _standing())


def door() -> bool:
    """Whether the pages are open; says what to do where they are not."""
    kind, _ = sign_in.way()
    signed = sign_in.signed_in()
    if kind == "local" or (signed and sign_in.PRESENCE.here(signed)):
        return True
    if signed:
        leave = SIGN_OUT[kind]
        _ears(key="ears", data={"leave": leave}, height=1)
        st.info(f"You are signed out. [Sign in again]({leave})", icon=":material/logout:")
    elif kind == "header":
        st.error("Nobody is signed in: this app is used through its proxy, which has not said who you are.")
    else:
        _ask()
    return False


def acted(request: Request) -> Response:
    """Somebody has pressed a key, clicked or turned the wheel: `POST /acted/NAME`, with the name of a guest.

    By a request of its own, because Streamlit drops what a page is about to do, a change of pages for one, where
    something that a fragment tells comes in between.
    """
    guest = guests.sender(request.path_params["name"], request)
    if guest is None:
        return PlainTextResponse("This session has ended: load the page again.", 403)
    sign_in.PRESENCE.act(guest.signed)
    return Response(status_code=204)


ROUTES = (Route("/acted/{name}", acted, methods=["POST"]),)


def _standing() -> tuple[str | None, str | None, str | None]:
    """What the menu and the page were decided by."""
    return sign_in.name(), sign_in.refused("organise"), sign_in.refused("people")


def _watch(signed: Signed, drawn: tuple[str | None, ...]) -> None:
    """A look whether all is as it was drawn, whenever the ears ask for it, which is no sign of anybody."""
    if _standing() != drawn:
        st.rerun()
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small"):
        data = {"every_ms": 1000 * LOOK_S, "acted": f"acted/{guests.admit()}"}
        _ears(key="ears", data=data, on_look_change=lambda: None, width=1, height=1)
        st.text(signed.name, width="content")
        if st.button("Sign out", type="tertiary", on_click=sign_in.PRESENCE.leave, args=(signed.name,)):
            st.rerun()


def _ask() -> None:
    with st.container(border=True, width=420):
        st.subheader("Rhoscope", anchor=False)
        st.write("Whoever uses this app signs in.")
        if st.button("Sign in", type="primary", icon=":material/login:"):
            try:
                st.login()
            except st.errors.Error as error:
                st.error(str(error))
        st.caption(f"Sessions end after {sign_in.idle_minutes():g} minutes in which nobody does anything.")
