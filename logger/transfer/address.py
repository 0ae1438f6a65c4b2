"""Address of a car: parse the user's URL, resolve the host and connect.

A host name may come to resolve to another machine during a fetch: by DHCP, or by an attacker who answers name queries
in a Wi-Fi. Logs may come from any machine, because they are verified; the pin is sent only to the addresses that the
name had when the car first answered.
"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.printable import printable

USUAL_PORT = 8040
MAX_ADDRESSES = 8
"""Addresses tried per name: a car has one in each of its networks."""


class Address:
    """A car's address. `url` is the form for display, without user name and password."""

    def __init__(self, url: str) -> None:
        """Raises ConfigurationError if `url` is not the address of a car."""
        self._host, self.port = _parsed(url)
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http://{shown}:{self.port}"
        self._first: frozenset[str] = frozenset()

    def connect(self, timeout_s: float) -> socket.socket:
        """Connect, with `timeout_s` per address; addresses that the name had at first are tried first.

        Raises OSError; ConfigurationError for an invalid name.
        """
        try:
            addresses = socket.getaddrinfo(self._host, self.port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise ConfigurationError("not a host name", where=printable(self._host)) from error
        addresses.sort(key=lambda info: info[4][0] not in self._first)
        last: OSError = OSError("the name has no address")
        for family, kind, protocol, _, socket_address in addresses[:MAX_ADDRESSES]:
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(timeout_s)
            try:
                connection.connect(socket_address)
            except OSError as error:
                connection.close()
                last = error
            else:
                self._first = self._first or frozenset(str(info[4][0]) for info in addresses)
                return connection
        raise last

    def is_first(self, connection: socket.socket) -> bool:
        """Whether a connection leads to an address that the name had when the car first answered."""
        return ip_of(connection) in {ip.partition("%")[0] for ip in self._first}


def ip_of(connection: socket.socket) -> str:
    """The peer's IP address, without the interface."""
    return str(connection.getpeername()[0]).partition("%")[0]


def _parsed(url: str) -> tuple[str, int]:
    text = url if "://" in url else f"http://{url}"
    hint = f"write it as http://car:{USUAL_PORT}"
    try:
        parts = urlsplit(text)
        port = USUAL_PORT if parts.port is None else parts.port
    except ValueError as error:
        raise ConfigurationError("not the address of a car", where=printable(url), hint=hint) from error
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
        what = "the crew page has no https" if parts.scheme == "https" else "not the address of a car"
        raise ConfigurationError(what, where=printable(url), hint=hint)
    return parts.hostname, port
