"""A client for the server-sent events of the crew server."""

from __future__ import annotations

from http.client import HTTPConnection

from tests.logger.crew.serving import Served

KM = 43.5


class Stream:
    """Client for the server-sent events."""

    def __init__(self, served: Served, **headers: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", served.port, timeout=60)
        self._connection.request("GET", "/api/live/stream", headers=headers)
        self.answer = self._connection.getresponse()

    def event(self) -> dict[str, str]:
        """The next event's fields."""
        fields: dict[str, str] = {}
        while line := self.answer.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            fields[name] = value
        return fields

    def close(self) -> None:
        self.answer.close()
        self._connection.close()
