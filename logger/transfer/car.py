"""The car's crew server as a laptop sees it: one request at a time, over a line that may be cut at any moment.

The standard library's http.client: a request, a status and a stream of bytes are all that is needed here, and what
must be our own, going on at the right byte after a cut, no library does. Nothing here waits or tries again: a cut
line is a CutError, and patience is the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from firmware_bridge.errors import ConfigurationError, DeviceError, LogError

USUAL_PORT = 8040
TIMEOUT_S = 20.0
"""A server that says nothing for so long is not there any more; ours gives up a client after less."""
MOST_LIST_BYTES = 4 * 1024 * 1024


class CutError(Exception):
    """The line was cut, or the server is not there, or is busy: worth another try, not before `wait_s`."""

    def __init__(self, why: str, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class Car:
    """The server at an address. `pin` is asked when the car wants to know it; None from it is no pin."""

    def __init__(self, url: str, pin: Callable[[], str | None]) -> None:
        """Raises ConfigurationError if `url` is no address of a car."""
        self.url, self._host, self._port = _parsed(url)
        self._pin = pin
        self._cookie = ""

    def logs(self) -> list[dict[str, Any]]:
        """What `GET /api/logs` lists. Raises CutError, LogError, ConfigurationError, DeviceError."""
        with self.ask("GET", "/api/logs") as answer:
            try:
                found = json.loads(answer.read(MOST_LIST_BYTES))["logs"]
                return [entry for entry in found if _is_file_name(entry["name"])]
            except (ValueError, KeyError, TypeError) as error:
                mend = "name the address of a crew page"
                raise DeviceError("this is no crew server", where=self.url, mend=mend) from error

    def confirm(self, name: str, sha256: str) -> None:
        """Tell the car that a log is here, whole. Raises as `logs`."""
        with self.ask("POST", f"{path_of(name)}/delivered", {"sha256": sha256}):
            pass

    @contextmanager
    def ask(
        self, method: str, path: str, said: Any = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[HTTPResponse]:
        """An answer below 400, or 416: to be read within the context. Raises as `logs`."""
        try:
            with self._asked(method, path, said, headers) as answer:
                if answer.status != 401:
                    yield _accepted(answer, self.url)
                    return
            self._log_in()
            with self._asked(method, path, said, headers) as answer:
                yield _accepted(answer, self.url)
        except (LogError, DeviceError):
            raise
        except (OSError, HTTPException) as error:
            raise CutError(str(error) or type(error).__name__) from error

    @contextmanager
    def _asked(
        self, method: str, path: str, said: Any, headers: Mapping[str, str] | None
    ) -> Iterator[HTTPResponse]:
        connection = HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.connect()
            # The car knows its own names and numbers; the name by which the laptop knows it is not one of them.
            number = str(connection.sock.getpeername()[0]).partition("%")[0]
            sent = {"Host": f"[{number}]:{self._port}" if ":" in number else f"{number}:{self._port}"}
            if self._cookie:
                sent["Cookie"] = self._cookie
            body = None
            if isinstance(said, str):
                body, sent["Content-Type"] = said, "application/x-www-form-urlencoded"
            elif said is not None:
                body, sent["Content-Type"] = json.dumps(said), "application/json"
            connection.request(method, path, body, sent | dict(headers or {}))
            with connection.getresponse() as answer:
                yield answer
        finally:
            connection.close()

    def _log_in(self) -> None:
        pin = self._pin()
        mend = "give the pin under [serve] of the car's stagelog.toml with --pin, or in STAGELOG_PIN"
        if not pin:
            raise ConfigurationError("the car wants its pin", where=self.url, mend=mend)
        with self._asked("POST", "/login", urlencode({"pin": pin}), None) as answer:
            if answer.status == 429:
                wait = answer.headers.get("retry-after", "30")
                raise DeviceError("too many wrong pins", where=self.url, mend=f"wait {wait} s")
            try:
                cookie = SimpleCookie(answer.headers.get("set-cookie", ""))
            except CookieError:
                cookie = SimpleCookie()
            if answer.status != 303 or not cookie:
                raise ConfigurationError("that is not the car's pin", where=self.url, mend=mend)
            self._cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in cookie.items())


def path_of(name: str) -> str:
    """A log's address within the server."""
    return f"/api/logs/{quote(name, safe='')}"


def _is_file_name(name: Any) -> bool:
    """Whether a file may be given a name that another machine chose."""
    return (
        isinstance(name, str)
        and name.endswith(".db")
        and name.isprintable()
        and name[0] not in "./"
        and "/" not in name
    )


def _accepted(answer: HTTPResponse, url: str) -> HTTPResponse:
    if answer.status < 400 or answer.status == 416:
        return answer
    why = _said(answer)
    if answer.status == 503:
        wait = answer.headers.get("retry-after", "")
        raise CutError(why, float(wait) if wait.isdecimal() else 1.0)
    if answer.status == 401:
        raise ConfigurationError("the car does not take its own pass", where=url, mend="try again")
    raise LogError(why, where=url)


def _said(answer: HTTPResponse) -> str:
    try:
        return str(json.loads(answer.read(MOST_LIST_BYTES))["error"])
    except (ValueError, KeyError, TypeError):
        return f"the server says {answer.status} {answer.reason}"


def _parsed(url: str) -> tuple[str, str, int]:
    text = url if "://" in url else f"http://{url}"
    mend = f"write it as http://car:{USUAL_PORT}"
    try:
        parts = urlsplit(text)
        port = USUAL_PORT if parts.port is None else parts.port
    except ValueError as error:
        raise ConfigurationError("no address of a car", where=url, mend=mend) from error
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ConfigurationError("no address of a car", where=url, mend=mend)
    return f"http://{parts.netloc}", parts.hostname, port
