"""Whoever is here, known again by requests outside the pages: tiles of films, and signs of somebody at work."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

import streamlit as st
from starlette.requests import HTTPConnection

from explain_core.errors import RightsError
from pages.parts import sign_in
from pages.parts.sign_in import Signed

COOKIE = "_streamlit_user"
"""How the names begin of the cookies by which Streamlit knows who has signed in."""
GUESTS = 10_000
NOBODY = "0" * 16
"""The name of whoever is here where nobody signs in."""
_KEY = secrets.token_bytes(32)
T = TypeVar("T")


class Shelf(Generic[T]):
    """Things by name, up to `most` in all as `weigh` counts them; what was not used for longest goes first."""

    def __init__(self, most: int, weigh: Callable[[T], int]) -> None:
        self.most, self._weigh, self._lock = most, weigh, threading.Lock()
        self._things: OrderedDict[str, T] = OrderedDict()

    def put(self, name: str, thing: T) -> None:
        """Also where it is there; one that is too heavy by itself is kept until the next one comes."""
        with self._lock:
            self._things[name] = thing
            self._things.move_to_end(name)
            while len(self._things) > 1 and sum(map(self._weigh, self._things.values())) > self.most:
                self._things.popitem(last=False)

    def get(self, name: str) -> T | None:
        with self._lock:
            if name in self._things:
                self._things.move_to_end(name)
            return self._things.get(name)


class Guest(NamedTuple):
    """Somebody who has signed in, and what every request of their browser carries: a header or cookies."""

    signed: Signed
    header: str
    cookies: tuple[tuple[str, str], ...]

    def sent(self, request: HTTPConnection) -> bool:
        """Whether a request is theirs, and their session goes on."""
        if self.header:
            theirs = sign_in.vouched(request.headers.getlist(self.header)) == self.signed.name
        else:
            theirs = _session_cookies(request.cookies) == self.cookies
        return theirs and sign_in.PRESENCE.here(self.signed)


_guests: Shelf[Guest] = Shelf(GUESTS, lambda _: 1)


def admit() -> str:
    """A name of 16 hexadecimal digits for whoever is here, which tells nothing of them; NOBODY where nobody signs in.

    Raises RightsError where somebody must sign in first.
    """
    kind, header = sign_in.way()
    if kind == "local":
        return NOBODY
    signed = sign_in.signed_in()
    if signed is None or not sign_in.PRESENCE.here(signed):
        raise RightsError("Sign in first.")
    guest = Guest(signed, header, _session_cookies(st.context.cookies))
    name = signature(repr(guest))[:16]
    _guests.put(name, guest)
    return name


def sender(name: str, request: HTTPConnection) -> Guest | None:
    """The guest of this name, if it is they who have sent the request, and their session goes on."""
    guest = _guests.get(name)
    return guest if guest is not None and guest.sent(request) else None


def signature(text: str) -> str:
    """64 hexadecimal digits that nobody outside this process can make."""
    return hmac.new(_KEY, text.encode(), "sha256").hexdigest()


def _session_cookies(cookies: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in cookies.items() if name.startswith(COOKIE)))
