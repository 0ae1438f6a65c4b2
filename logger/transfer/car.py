"""HTTP client of the car's crew server: one request at a time, over an unreliable line.

It neither waits nor retries: a lost connection raises TransientError, and the caller retries. It follows no redirect:
the only host contacted is that of the address.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from urllib.parse import quote, urlencode

from firmware_bridge.errors import ConfigurationError, DeviceError, LogError
from logger.transfer import exchange
from logger.transfer.address import Address, ip_of
from logger.transfer.exchange import Limits, Response, TransientError, why
from logger.transfer.listed import LogList, parse_log_list

LONGEST_RETRY_S = 60
"""Maximum wait that a busy server may ask for: ours asks for ten seconds."""
MAX_COOKIE_CHARS = 1000
"""Maximum length of a session cookie: ours has a hundred characters."""


class Car:
    """The server at an address. `pin` is called when the car asks for its pin; None from it means no pin."""

    def __init__(self, url: str, pin: Callable[[], str | None], limits: Limits | None = None) -> None:
        """Raises ConfigurationError if `url` is not the address of a car."""
        self._address = Address(url)
        self.url = self._address.url
        self.limits = limits or exchange.LIMITS
        self._pin = pin
        self._cookie = ""

    def logs(self) -> LogList:
        """The list of `GET /api/logs`. Raises TransientError, LogError, ConfigurationError, DeviceError."""
        with self.request("GET", "/api/logs") as response:
            try:
                return parse_log_list(response.json())
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise response.protocol_error("does not send a list of logs") from error

    def confirm(self, name: str, sha256: str) -> None:
        """Confirm to the car that a log has arrived whole. Raises as `logs`."""
        with self.request("POST", f"{path_of(name)}/delivered", json.dumps({"sha256": sha256})):
            pass

    @contextmanager
    def request(
        self, method: str, path: str, body: str = "", headers: Mapping[str, str] | None = None
    ) -> Iterator[Response]:
        """Send a request; yields a response of success, 304 or 416, to be read within the context. Raises as `logs`."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        with ExitStack() as stack:
            response = stack.enter_context(self._exchange(method, path, body, sent))
            if response.status == 401:
                self._log_in()
                response = stack.enter_context(self._exchange(method, path, body, sent))
            self._require_accepted(response)
            yield response

    @contextmanager
    def _exchange(
        self, method: str, path: str, body: str, headers: Mapping[str, str], *, has_pin: bool = False
    ) -> Iterator[Response]:
        try:
            connection = self._address.connect(self.limits.silence_s)
        except OSError as error:
            raise TransientError(why(error), responded=False) from error
        with connection:
            is_first = self._address.is_first(connection)
            # The car accepts its own names and addresses as Host, not the name that the laptop uses for it.
            ip = ip_of(connection)
            host = f"[{ip}]" if ":" in ip else ip
            if has_pin and not is_first:
                hint = "fetch again if that machine is the car"
                what = f"the name now leads to another machine ({host}), which does not get the pin"
                raise DeviceError(what, where=self.url, hint=hint)
            own = {"Host": f"{host}:{self._address.port}"}
            if self._cookie and is_first:
                own["Cookie"] = self._cookie
            response = Response(connection, self.limits, self.url)
            response.request(method, path, {**headers, **own}, body.encode())
            yield response

    def _log_in(self) -> None:
        pin = self._pin()
        hint = "give the pin under [serve] of the car's stagelog.toml with --pin, or in STAGELOG_PIN"
        if not pin:
            raise ConfigurationError("the car asks for its pin", where=self.url, hint=hint)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        with self._exchange("POST", "/login", urlencode({"pin": pin}), form, has_pin=True) as response:
            if response.status == 429:
                raise DeviceError(
                    "too many wrong pins", where=self.url, hint=f"wait {_wait_s(response, 30)} s"
                )
            if response.status == 401:
                raise ConfigurationError("not the car's pin", where=self.url, hint=hint)
            cookie = response.headers.get("set-cookie", "").partition(";")[0]
            is_valid = 0 < len(cookie) <= MAX_COOKIE_CHARS and cookie.isascii() and cookie.isprintable()
            if response.status != 303 or not is_valid:
                raise response.protocol_error(f"does not accept a pin: it answers {response.status}")
            self._cookie = cookie

    def _require_accepted(self, response: Response) -> None:
        if response.status < 300 or response.status in (304, 416):
            return
        if response.status < 400:
            raise response.protocol_error("redirects elsewhere, which is not followed")
        reason, hint = response.error_text()
        if response.status == 503:
            raise TransientError(reason, _wait_s(response, 1))
        if response.status == 401:
            raise DeviceError("the car rejects its own session cookie", where=self.url, hint="try again")
        raise LogError(reason, where=self.url, hint=hint)


def path_of(name: str) -> str:
    """URL path of a log on the server."""
    return f"/api/logs/{quote(name, safe='')}"


def _wait_s(response: Response, usual_s: int) -> int:
    """Seconds that a server asks to wait."""
    value = response.headers.get("retry-after", "")
    is_number = value.isascii() and value.isdecimal()
    return min(int(value[:9]), LONGEST_RETRY_S) if is_number else usual_s
