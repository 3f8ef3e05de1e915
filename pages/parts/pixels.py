"""Pixels for the browser, 16 bits and nothing lost: `GET /pixels/TOKEN/LEVEL/ROW/COLUMN`, from the app's own process.

A page registers a raster and gets its address, whose token names the raster, whom it was given to, and until when it
holds, under a key that is made when the app starts.  Requests are answered in threads of their own, with

    200   row by row little-endian uint16, TILE x TILE pixels or what is left at the edge
    403   a token that was not given out like this, to whoever asks, or not lately
    404   no such level, row or column
    410   a raster that is not kept any more: its page registers it again
"""

from __future__ import annotations

import hmac
import re

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from explain_core.errors import DataError, RhoscopeError
from explain_core.films.pyramid import Raster
from pages.parts import guests, sign_in
from pages.parts.guests import Shelf

LIFE_S = 6 * 3600
"""A token holds for once to twice as long, so that an address stays the same while a page is drawn again."""
HELD = 1 << 30
"""Bytes of rasters in memory; those of films are on disk, and count for their records."""
RECORD = 1 << 20
HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Encoding": "identity",  # Streamlit would compress each tile anew, which takes longer than sending it
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_TOKEN = re.compile(r"([0-9a-f]{64})([0-9a-f]{16})([0-9a-f]{10})([0-9a-f]{64})")


RASTERS: Shelf[Raster] = Shelf(HELD, lambda raster: raster.held + RECORD)


def address(raster: Raster) -> str:
    """Where whoever is here, and nobody else, gets the raster's tiles: `{address}/{level}/{row}/{column}`.

    Raises RightsError where somebody must sign in first.
    """
    name = guests.admit()
    RASTERS.put(raster.name, raster)
    until = (int(sign_in.clock()) // LIFE_S + 2) * LIFE_S
    told = f"{raster.name}{name}{until:010x}"
    return f"/pixels/{told}{guests.signature(told)}"


def answer(request: Request) -> Response:
    """What the route says; may touch the disk, and so runs outside the event loop."""
    token, *place = request.path_params["where"].split("/")
    name = _allowed(token, request)
    if name is None:
        return _refusal(403, "This address does not hold, or not any more: load the page again.")
    raster = RASTERS.get(name)
    if raster is None:
        return _refusal(410, "This picture is not kept any more: load the page again.")
    if len(place) != 3 or not all(re.fullmatch(r"[0-9]{1,5}", number) for number in place):
        return _refusal(404, "There is no such tile: it is /LEVEL/ROW/COLUMN, counted from 0.")
    try:
        return Response(raster.tile(*map(int, place)), headers=HEADERS, media_type="application/octet-stream")
    except LookupError as error:
        return _refusal(404, str(error.args[0]))
    except DataError as error:
        return _refusal(410, str(error))
    except RhoscopeError as error:
        return _refusal(500, str(error))


ROUTES = (Route("/pixels/{where:path}", answer),)


def _allowed(token: str, request: Request) -> str | None:
    """The name of the raster that a token gives to whoever sent this request."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return None
    raster, guest_name, until, signature = found.groups()
    if not hmac.compare_digest(signature, guests.signature(raster + guest_name + until)):
        return None
    if int(until, 16) <= sign_in.clock():
        return None
    if guest_name == guests.NOBODY:
        return raster
    guest = guests.sender(guest_name, request)
    return raster if guest is not None and sign_in.known(guest.signed.name) else None


def _refusal(status: int, text: str) -> Response:
    return PlainTextResponse(text, status, headers={"Cache-Control": "no-store"})
