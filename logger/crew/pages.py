"""Serve the static files of the crew page, and the login form.

The files are read once and kept in memory. Their ETag is a hash of the content, so a browser revalidates them and has
an updated file with its next load.
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
COOKIE_MAX_AGE_S = 16 * 24 * 3600
"""The longest rally, from scrutineering to the podium: nobody has to type the pin during a stage."""
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_MESSAGE = "<!-- message -->"

Endpoint = Callable[[Request], Awaitable[Response]]


def page(name: str) -> Endpoint:
    """An endpoint that serves one file of static/."""
    content = _read(name)
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)

    return answer


def login(gate: Gate) -> Endpoint:
    """The login endpoint: GET returns the form, POST checks the pin. The pin is never in a URL."""
    html = _read("login.html").decode()

    def form(text: str = "", status: int = 200, wait_s: float | None = None) -> Response:  # a key of texts/
        headers = {"cache-control": "no-store"} | ({} if wait_s is None else {"retry-after": f"{wait_s:.0f}"})
        places = "" if wait_s is None else f' data-seconds="{wait_s:.0f}"'
        message = f'<span data-text="{text}"{places}></span>' if text else ""
        return Response(html.replace(_MESSAGE, message), status, headers, "text/html")

    async def answer(request: Request) -> Response:
        if gate.open:
            return RedirectResponse("/", 303)
        if request.method != "POST":
            return form()
        fields = parse_qs((await body(request, MAX_LOGIN_BYTES)).decode("utf-8", "replace"))
        try:
            accepted = gate.accepts_pin(fields.get("pin", [""])[0], client_address(request.scope))
        except TooManyGuessesError as error:
            return form("pin.wait", 429, error.wait_s)
        if not accepted:
            return form("pin.wrong", 401)
        redirect = RedirectResponse("/", 303, {"cache-control": "no-store"})
        redirect.set_cookie(COOKIE, gate.token(), max_age=COOKIE_MAX_AGE_S, httponly=True, samesite="strict")
        return redirect

    return answer


async def no_content(_request: Request) -> Response:
    """Answer requests for files that a browser asks for and this server does not have, such as an icon."""
    return Response(status_code=204, headers={"cache-control": "max-age=86400"})


def _read(name: str) -> bytes:
    return (resources.files("logger.crew") / "static" / name).read_bytes()
