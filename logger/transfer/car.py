"""The car's crew server as a laptop sees it: one request at a time, over a line that may be cut at any moment.

The standard library's http.client: a request, a status and a stream of bytes are all that is needed here, and what
must be our own, going on at the right byte after a cut, no library does. Nothing here waits or tries again: a cut
line is a CutError, and patience is the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from firmware_bridge.errors import ConfigurationError, DeviceError, LogError

USUAL_PORT = 8040
TIMEOUT_S = 20.0
"""A server that says nothing for so long is not there any more; ours gives up a client after less."""
MOST_WORDS_BYTES = 4 * 1024 * 1024
"""A list of ten thousand logs."""


class CutError(Exception):
    """The line was cut, or the server is not there, or is busy: worth another try, not before `wait_s`.

    `heard`: it is there, for something came from it.
    """

    def __init__(self, why: str, wait_s: float = 0.0, *, heard: bool = True) -> None:
        super().__init__(why)
        self.wait_s, self.heard = wait_s, heard


class Answer:
    """What the car says: `status`, `headers`, and a body to be read piece by piece."""

    def __init__(self, answer: HTTPResponse) -> None:
        self._answer = answer
        self.status, self.headers = answer.status, answer.headers

    def read(self, most_bytes: int) -> bytes:
        """The next piece, nothing at the end. Raises CutError."""
        try:
            return self._answer.read(most_bytes)
        except (OSError, HTTPException) as error:
            raise CutError(_why(error)) from error

    def json(self) -> Any:
        """The whole body. Raises CutError when that did not come, ValueError when it is no JSON."""
        body = self.read(MOST_WORDS_BYTES)
        if self._answer.length or (self._answer.length is None and not self._answer.chunked):
            raise CutError("the line was cut")  # without a length, it was within the headers
        return json.loads(body)

    def complaint(self) -> str:
        """Why the car refuses."""
        try:
            return str(self.json()["error"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return f"the server says {self.status}"


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
                return [entry for entry in answer.json()["logs"] if _is_file_name(entry["name"])]
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                mend = "name the address of a crew page"
                raise DeviceError("this is no crew server", where=self.url, mend=mend) from error

    def confirm(self, name: str, sha256: str) -> None:
        """Tell the car that a log is here, whole. Raises as `logs`."""
        with self.ask("POST", f"{path_of(name)}/delivered", json.dumps({"sha256": sha256})):
            pass

    @contextmanager
    def ask(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[Answer]:
        """An answer below 400, or 416: to be read within the context. Raises as `logs`."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        with ExitStack() as stack:
            answer = stack.enter_context(self._asked(method, path, body, sent))
            if answer.status == 401:
                self._log_in()
                answer = stack.enter_context(self._asked(method, path, body, sent))
            self._require_accepted(answer)
            yield answer

    @contextmanager
    def _asked(
        self, method: str, path: str, body: str | None, headers: Mapping[str, str]
    ) -> Iterator[Answer]:
        connection = HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            try:
                connection.connect()
                # The car knows its own names and numbers; what a laptop calls it is not one of them.
                number = str(connection.sock.getpeername()[0]).partition("%")[0]
                host = f"[{number}]:{self._port}" if ":" in number else f"{number}:{self._port}"
                own = {"Host": host, **({"Cookie": self._cookie} if self._cookie else {})}
                connection.request(method, path, body, {**headers, **own})
                answer = connection.getresponse()
            except (OSError, HTTPException) as error:
                raise CutError(_why(error), heard=False) from error
            yield Answer(answer)
        finally:
            connection.close()

    def _log_in(self) -> None:
        pin = self._pin()
        mend = "give the pin under [serve] of the car's stagelog.toml with --pin, or in STAGELOG_PIN"
        if not pin:
            raise ConfigurationError("the car wants its pin", where=self.url, mend=mend)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        with self._asked("POST", "/login", urlencode({"pin": pin}), form) as answer:
            if answer.status == 429:
                wait = answer.headers.get("retry-after", "30")
                raise DeviceError("too many wrong pins", where=self.url, mend=f"wait {wait} s")
            cookie = answer.headers.get("set-cookie", "").partition(";")[0]
            if answer.status != 303 or not cookie:
                raise ConfigurationError("that is not the car's pin", where=self.url, mend=mend)
            self._cookie = cookie

    def _require_accepted(self, answer: Answer) -> None:
        if answer.status < 400 or answer.status == 416:
            return
        why = answer.complaint()
        if answer.status == 503:
            wait = answer.headers.get("retry-after", "")
            raise CutError(why, float(wait) if wait.isdecimal() else 1.0)
        if answer.status == 401:
            raise ConfigurationError("the car does not take its own pass", where=self.url, mend="try again")
        raise LogError(why, where=self.url)


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


def _why(error: Exception) -> str:
    """A cut line in a few words."""
    said = error.strerror if isinstance(error, OSError) else None
    return said or str(error) or type(error).__name__


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
