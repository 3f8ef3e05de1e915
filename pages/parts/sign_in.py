"""Who has signed in, by RHOSCOPE_SIGN_IN: `local`, where people choose their names; `oidc`, by st.login; `header:NAME`,
where a proxy says who it is.  A session ends after RHOSCOPE_IDLE_MINUTES without a key, a click or a turn of the wheel.

Without RHOSCOPE_SIGN_IN it is `oidc` where Streamlit's secrets have [auth], and else `local`.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import streamlit as st
from streamlit.user_info import AUTH_LOGOUT_ENDPOINT

from annotations.people import NAME, People, Right, allowed
from explain_core.errors import InputError, RightsError
from pages.parts.store import database

WAYS = {
    "local": "nobody signs in: people choose their names, on this machine only",
    "oidc": "by OpenID Connect",
    "header": "by the proxy in front of the app",
}
LOOPBACK = ("127.0.0.1", "::1", "localhost")
SIGN_OUT = {"oidc": AUTH_LOGOUT_ENDPOINT.lstrip("/"), "header": "sign-out"}
"""Where the browser is sent, beside the pages: Streamlit's own address, and one that the proxy has."""
clock = time.time


class Signed(NamedTuple):
    """Whom the provider or the proxy vouches for, and since when, in seconds."""

    name: str
    since: float


class Presence:
    """When each session was last used.  What is not noted yet, also after a restart, was last used when it began: so
    a cookie that comes back after days is as idle as it is old."""

    def __init__(self) -> None:
        self._acted: dict[Signed, float] = {}

    def here(self, signed: Signed) -> bool:
        return clock() - self._acted.setdefault(signed, signed.since) <= 60 * idle_minutes()

    def act(self, signed: Signed) -> None:
        if self.here(signed):
            self._acted[signed] = clock()

    def leave(self, name: str) -> None:
        """Ends every session of a person, in all windows."""
        for signed in list(self._acted):
            if signed.name == name:
                self._acted[signed] = -math.inf


PRESENCE = Presence()


def way() -> tuple[str, str]:
    """A key of WAYS, and the header's name or nothing; raises InputError."""
    asked = os.environ.get("RHOSCOPE_SIGN_IN") or ("oidc" if "is_logged_in" in st.user else "local")
    kind, _, header = asked.partition(":")
    if kind not in WAYS or (kind == "header") != bool(header):
        raise InputError(f"RHOSCOPE_SIGN_IN is {asked!r}: it may be local, oidc or header:NAME.")
    if header and st.get_option("server.address") not in LOOPBACK:
        raise InputError(f"Anybody could send {header} here: have the app listen on 127.0.0.1, behind the proxy.")
    return kind, header


def idle_minutes() -> float:
    text = os.environ.get("RHOSCOPE_IDLE_MINUTES") or "30"
    if not text.isdecimal() or not 0 < int(text) <= 1440:
        raise InputError(f"RHOSCOPE_IDLE_MINUTES is {text!r}: it may be 1 to 1440.")
    return int(text)


def name() -> str | None:
    """Who is here; None where nobody signs in, and where nobody has."""
    signed = signed_in()
    return signed.name if signed and PRESENCE.here(signed) else None


def refused(right: Right) -> str | None:
    """Why whoever is here may not use what takes this right; None where they may, and where nobody signs in."""
    if way()[0] == "local":
        return None
    who = name()
    return "Sign in first." if who is None else _refusal(who, right)


def known(who: str) -> bool:
    """Whether somebody of this name may use what everybody may who is known here."""
    return _refusal(who, "answer") is None


def _refusal(who: str, right: Right) -> str | None:
    if not NAME.fullmatch(who):
        return "What you are called by the provider cannot be a name here: have it send a verified e-mail address."
    known = [one.name for one in People(database()).find()]
    if not known:
        return f"Nobody is known here yet: `rhoscope labels person '{who}' --role admin`, on the server, begins."
    if who not in known:
        return (
            f"You are signed in as `{who}`, but not known here: an admin adds this name under Settings, or with "
            f"`rhoscope labels person '{who}' --role annotator --by ADMIN`."
        )
    try:
        with database().read() as session:
            allowed(session, who, right)
    except RightsError as error:
        return str(error).replace(who, f"`{who}`")
    return None


def signed_in() -> Signed | None:
    """Whom the provider or the proxy vouches for, also where their session was idle for too long."""
    kind, header = way()
    if kind == "oidc" and st.user.get("is_logged_in"):
        return Signed(_called(st.user), float(str(st.user["iat"])))
    who = vouched(st.context.headers.get_all(header)) if header else None
    return Signed(who, float(st.session_state.setdefault("signed-in", clock()))) if who else None


def vouched(sent: list[str]) -> str | None:
    """The name in the proxy's header, which must be there once."""
    return _folded(sent[0].strip()) if len(sent) == 1 and sent[0].strip() else None


def _called(claims: Mapping[str, Any]) -> str:
    """The e-mail address that the provider has verified; else its own name for the person, never like an address."""
    if claims.get("email") and str(claims.get("email_verified")).lower() == "true":
        return _folded(str(claims["email"]))
    return f"subject {claims['sub']}"


def _folded(name: str) -> str:
    return name.lower() if "@" in name else name
