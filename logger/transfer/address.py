"""Where a car is: the host and port that the user gave, and a connection to it.

A host's name may lead to another machine in the middle of a fetch: by DHCP, or by somebody who answers the question
for a name in a bivouac's Wi-Fi. Logs may come from wherever the name leads, for they are verified; the pin goes only to
the addresses that the name had when the car first answered.
"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.printable import printable

USUAL_PORT = 8040
MOST_ADDRESSES = 8
"""Tried of one name: a car has one for each of its networks."""


class Address:
    """A car's address. `url` is how it is shown, without a user's name and password."""

    def __init__(self, url: str) -> None:
        """Raises ConfigurationError if `url` is no address of a car."""
        self._host, self.port = _parsed(url)
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http://{shown}:{self.port}"
        self._first: frozenset[str] = frozenset()

    def connect(self, timeout_s: float) -> socket.socket:
        """A connection, tried for `timeout_s` at each address, those that the name had at first before others.

        Raises OSError, ConfigurationError for a name that cannot be one.
        """
        try:
            found = socket.getaddrinfo(self._host, self.port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise ConfigurationError("not a host's name", where=printable(self._host)) from error
        found.sort(key=lambda info: info[4][0] not in self._first)
        last: OSError = OSError("the name has no address")
        for family, kind, protocol, _, place in found[:MOST_ADDRESSES]:
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(timeout_s)
            try:
                connection.connect(place)
            except OSError as error:
                connection.close()
                last = error
            else:
                self._first = self._first or frozenset(str(info[4][0]) for info in found)
                return connection
        raise last

    def is_first(self, connection: socket.socket) -> bool:
        """Whether a connection leads to where the name led when the car first answered."""
        return number_of(connection) in {number.partition("%")[0] for number in self._first}


def number_of(connection: socket.socket) -> str:
    """The other side's number, without the interface."""
    return str(connection.getpeername()[0]).partition("%")[0]


def _parsed(url: str) -> tuple[str, int]:
    text = url if "://" in url else f"http://{url}"
    hint = f"write it as http://car:{USUAL_PORT}"
    try:
        parts = urlsplit(text)
        port = USUAL_PORT if parts.port is None else parts.port
    except ValueError as error:
        raise ConfigurationError("no address of a car", where=printable(url), hint=hint) from error
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ConfigurationError("no address of a car", where=printable(url), hint=hint)
    return parts.hostname, port
