"""The car's crew server as a laptop sees it: one request at a time, over a line that may be cut at any moment.

Nothing here waits or tries again: a cut line is a CutError, and patience is the caller's. Nothing that the server says
is followed anywhere: the one host that is ever spoken to is that of the address.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from urllib.parse import quote, urlencode

from firmware_bridge.errors import ConfigurationError, DeviceError, LogError
from logger.transfer import exchange
from logger.transfer.address import Address, number_of
from logger.transfer.exchange import Answer, CutError, Limits, why
from logger.transfer.listed import Listed, listed

LONGEST_RETRY_S = 60
"""Waited at most when a busy server asks for more: ours asks for ten seconds."""
MOST_COOKIE_CHARS = 1000
"""Ours has a hundred."""


class Car:
    """The server at an address. `pin` is asked when the car wants to know it; None from it is no pin."""

    def __init__(self, url: str, pin: Callable[[], str | None], limits: Limits | None = None) -> None:
        """Raises ConfigurationError if `url` is no address of a car."""
        self._address = Address(url)
        self.url = self._address.url
        self.limits = limits or exchange.LIMITS
        self._pin = pin
        self._cookie = ""

    def logs(self) -> Listed:
        """What `GET /api/logs` lists. Raises CutError, LogError, ConfigurationError, DeviceError."""
        with self.ask("GET", "/api/logs") as answer:
            try:
                return listed(answer.json())
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise answer.refused("gives no list of logs") from error

    def confirm(self, name: str, sha256: str) -> None:
        """Tell the car that a log is here, whole. Raises as `logs`."""
        with self.ask("POST", f"{path_of(name)}/delivered", json.dumps({"sha256": sha256})):
            pass

    @contextmanager
    def ask(
        self, method: str, path: str, body: str = "", headers: Mapping[str, str] | None = None
    ) -> Iterator[Answer]:
        """An answer of success, 304 or 416: to be read within the context. Raises as `logs`."""
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
        self, method: str, path: str, body: str, headers: Mapping[str, str], *, has_pin: bool = False
    ) -> Iterator[Answer]:
        try:
            connection = self._address.connect(self.limits.silence_s)
        except OSError as error:
            raise CutError(why(error), heard=False) from error
        with connection:
            is_first = self._address.is_first(connection)
            # The car knows its own names and numbers; what a laptop calls it is not one of them.
            number = number_of(connection)
            host = f"[{number}]" if ":" in number else number
            if has_pin and not is_first:
                hint = "fetch again if that is the car"
                what = f"the name leads to another machine by now ({host}), which does not get the pin"
                raise DeviceError(what, where=self.url, hint=hint)
            own = {"Host": f"{host}:{self._address.port}"}
            if self._cookie and is_first:
                own["Cookie"] = self._cookie
            answer = Answer(connection, self.limits, self.url)
            answer.ask(method, path, {**headers, **own}, body.encode())
            yield answer

    def _log_in(self) -> None:
        pin = self._pin()
        hint = "give the pin under [serve] of the car's stagelog.toml with --pin, or in STAGELOG_PIN"
        if not pin:
            raise ConfigurationError("the car wants its pin", where=self.url, hint=hint)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        with self._asked("POST", "/login", urlencode({"pin": pin}), form, has_pin=True) as answer:
            if answer.status == 429:
                raise DeviceError("too many wrong pins", where=self.url, hint=f"wait {_wait_s(answer, 30)} s")
            if answer.status == 401:
                raise ConfigurationError("that is not the car's pin", where=self.url, hint=hint)
            cookie = answer.headers.get("set-cookie", "").partition(";")[0]
            is_pass = 0 < len(cookie) <= MOST_COOKIE_CHARS and cookie.isascii() and cookie.isprintable()
            if answer.status != 303 or not is_pass:
                raise answer.refused(f"takes no pin: it answers {answer.status}")
            self._cookie = cookie

    def _require_accepted(self, answer: Answer) -> None:
        if answer.status < 300 or answer.status in (304, 416):
            return
        if answer.status < 400:
            raise answer.refused("sends elsewhere, and is not followed")
        reason = answer.complaint()
        if answer.status == 503:
            raise CutError(reason, _wait_s(answer, 1))
        if answer.status == 401:
            raise DeviceError("the car does not take its own pass", where=self.url, hint="try again")
        raise LogError(reason, where=self.url)


def path_of(name: str) -> str:
    """A log's address within the server."""
    return f"/api/logs/{quote(name, safe='')}"


def _wait_s(answer: Answer, usual_s: int) -> int:
    """How long a server asks to wait."""
    said = answer.headers.get("retry-after", "")
    is_number = said.isascii() and said.isdecimal()
    return min(int(said[:9]), LONGEST_RETRY_S) if is_number else usual_s
