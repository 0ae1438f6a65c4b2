"""Access control around every request: Host, Origin and pin checks, and security headers.

    Host     an IP address or this machine's own name: DNS rebinding cannot use either
    Origin   a POST comes from one of our pages, or from a client that is not a browser
    pin      a token in the cookie, or the pin in `Authorization: Bearer`

It is an ASGI layer around the whole application, so it also protects error responses and routes added later.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from logger.crew.pin import Gate, TooManyGuessesError

COOKIE = "stagelog"
LOGIN = "/login"
TEXTS = tuple(f"texts/{language}.js" for language in ("ar", "de", "en", "es", "fr"))
LOGIN_FILES = ("crew.css", "login.js", "settings.js", "texts.js", *TEXTS)
"""The files that the login page needs."""
PUBLIC = frozenset({LOGIN, "/favicon.ico", *(f"/{name}" for name in LOGIN_FILES)})

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with "no-referrer" a browser posts our own login form with `Origin: null`
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}


class Guard:
    """Pass permitted requests to `app`. `host` is the bound host name, accepted besides the machine's own names."""

    def __init__(self, app: ASGIApp, gate: Gate, host: str) -> None:
        self._app, self._gate = app, gate
        name = socket.gethostname().lower()
        self._names = {"localhost", host.lower(), name, f"{name}.local"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for key, value in HEADERS.items():
                    headers.setdefault(key, value)  # a page may set its own policy
            await send(message)

        answer: ASGIApp = self._refusal(scope) or self._app
        await answer(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not is_ours(host, self._names):
            return _error(421, "wrong host name; use this machine's IP address or its own name")
        if scope["method"] not in ("GET", "HEAD") and not is_same_origin(headers, host):
            return _error(403, "not allowed from a page of another site")
        return None if scope["path"] in PUBLIC else self._login_required(scope, headers)

    def _login_required(self, scope: Scope, headers: Headers) -> Response | None:
        try:
            if self._is_authenticated(scope, headers):
                scope["state"]["connection"].is_authenticated = True
                return None
        except TooManyGuessesError as error:
            return _error(429, str(error), {"retry-after": f"{error.wait_s:.0f}"})
        if scope["method"] == "GET" and not scope["path"].startswith("/api/"):
            return RedirectResponse(LOGIN, status_code=303)
        return _error(401, "the pin is required", {"www-authenticate": 'Bearer realm="stagelog"'})

    def _is_authenticated(self, scope: Scope, headers: Headers) -> bool:
        token = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        if self._gate.open or self._gate.accepts_token(token):
            return True
        scheme, _, guess = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self._gate.accepts_pin(guess.strip(), client_address(scope))


def is_ours(host: str, names: Collection[str]) -> bool:
    """Whether a Host header is one of `names` or an IP address, which DNS rebinding cannot produce."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    if name is None or host.endswith("@") or "@" in host or "/" in host:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.lower().removesuffix(".") in names
    return True


def is_same_origin(headers: Headers, host: str) -> bool:
    """Whether a state-changing request comes from one of our pages. Without either header it is not a browser."""
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = headers.get("origin")
    return origin is None or origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())


def client_address(scope: Scope) -> str:
    """The TCP peer's address; headers that claim another one are ignored."""
    client: Any = scope.get("client")
    return str(client[0]) if client else ""


def _error(status: int, what: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"ok": False, "error": what}, status, headers)
