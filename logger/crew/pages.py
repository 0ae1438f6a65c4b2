"""The crew page's own files and the login: read once, kept in memory, answered from there.

The files carry a tag of their content, so that a browser asks and is told "unchanged", and an update of the
car's software is on every page with its next load.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from importlib import resources
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from logger.crew.commands import body
from logger.crew.guard import COOKIE, client_address
from logger.crew.pin import Gate, TooManyGuessesError

MAX_LOGIN_BYTES = 1024
STAY_S = 16 * 24 * 3600
"""The longest rally, from scrutineering to the podium: nobody types a pin in a stage."""
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_SAID = "<!-- said -->"

Endpoint = Callable[[Request], Awaitable[Response]]


def page(name: str) -> Endpoint:
    """The endpoint of one file of static/."""
    content = _read(name)
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)

    return answer


def login(gate: Gate) -> Endpoint:
    """The login page: asked for with GET, the pin brought by POST, never in an address."""
    form = _read("login.html").decode()

    def ask(said: str = "", status: int = 200, wait_s: float | None = None) -> Response:
        headers = {"cache-control": "no-store"} | ({} if wait_s is None else {"retry-after": f"{wait_s:.0f}"})
        return Response(form.replace(_SAID, said), status, headers, "text/html")

    async def answer(request: Request) -> Response:
        if gate.open:
            return RedirectResponse("/", 303)
        if request.method != "POST":
            return ask()
        fields = parse_qs((await body(request, MAX_LOGIN_BYTES)).decode("utf-8", "replace"))
        try:
            known = gate.knows(fields.get("pin", [""])[0], client_address(request.scope))
        except TooManyGuessesError as error:
            return ask(f"Too many wrong pins. Wait {error.wait_s:.0f} seconds.", 429, error.wait_s)
        if not known:
            return ask("That is not the pin.", 401)
        welcome = RedirectResponse("/", 303, {"cache-control": "no-store"})
        welcome.set_cookie(COOKIE, gate.token(), max_age=STAY_S, httponly=True, samesite="strict")
        return welcome

    return answer


async def nothing(_request: Request) -> Response:
    """For what a browser asks for by itself and we have not, such as an icon."""
    return Response(status_code=204, headers={"cache-control": "max-age=86400"})


def _read(name: str) -> bytes:
    return (resources.files("logger.crew") / "static" / name).read_bytes()
