"""No request reaches a file that is not a log, or a name without the pin."""

from __future__ import annotations

import pytest

from tests.logger.crew.attacker.raw_requests import LOG, SECRET, raw, request, status
from tests.logger.crew.serving import PIN, Served

UP = ("..", "%2e%2e", "%2E.", "..%00", "%252e%252e", "%c0%ae%c0%ae", "....", ".%2e;", "..\\", "%uff0e%uff0e")
SLASH = ("/", "%2f", "%5c", "\\", "%252f", "%c0%af", "//", "/./")
WAYS_OUT = [f"{up}{slash}secret.db" for up in UP for slash in SLASH] + [
    "link.db", "passwd.db", "up.db", "dangling.db", "up.db/secret.db", "up.db%2fsecret.db", "inside/deep.db",
    "inside%2fdeep.db", "/etc/passwd", "%2fetc%2fpasswd", "file:///etc/passwd", f"{LOG}/../../secret.db",
    f"{LOG}%00.db", f"{LOG}%0d%0aX-Evil:%201", ".", "..", "%", "%%", "*", f"{LOG}-wal", "../stagelog.toml",
    "..%2fstagelog.toml", "~root", "$HOME", "|id", "a" * 5000, "%f0%9f%8f%8d" * 500,
]  # fmt: skip


@pytest.mark.parametrize(
    "route",
    ["/api/logs/{}", "/api/logs/{}/export?format=csv", "/logs/{}/review", "/{}", "/static/{}", "/logs/{}"],
)
def test_no_url_reaches_a_file_outside_the_log_directory(served: Served, cookie: str, route: str) -> None:
    """With a token, and with the URL on the wire exactly as given here."""
    for way in WAYS_OUT:
        answer = raw(served, request(f"GET {route.format(way)} HTTP/1.1", f"Cookie: {cookie}"))
        assert SECRET not in answer, way
        assert b"root:" not in answer, way
        assert PIN.encode() not in answer, way
        assert b"x-evil" not in answer.lower(), way
        assert status(answer) in (0, 400, 404, 405), (way, answer[:200])


@pytest.mark.parametrize("name", ["link.db", "passwd.db", "up.db", "dangling.db"])
def test_symbolic_links_are_not_served(served: Served, cookie: str, name: str) -> None:
    there = served.ask("/api/logs", headers={"cookie": cookie}).json["logs"]
    assert [log["name"] for log in there] == [LOG]
    for route in (f"/api/logs/{name}", f"/api/logs/{name}/export?format=csv", f"/logs/{name}/review"):
        assert served.ask(route, headers={"cookie": cookie}).status == 404


def test_without_the_pin_even_log_names_are_hidden(served: Served) -> None:
    for route in ("/api/logs", f"/api/logs/{LOG}", "/api/live", "/api/live/stream", "/logs", "/crew.js"):
        for line in (
            f"GET {route} HTTP/1.1",
            f"GET http://127.0.0.1{route} HTTP/1.1",
            f"HEAD {route} HTTP/1.1",
        ):
            for trick in (
                "X-Forwarded-For: 127.0.0.1",
                "X-Original-URL: /login",
                "Cookie: stagelog=.",
                "A: b",
            ):
                answer = raw(served, request(line, trick))
                assert status(answer) in (303, 401), (line, trick)
                assert LOG.encode() not in answer
    for line in (
        "GET /login/../api/logs HTTP/1.1",
        "GET /login%2f..%2fapi%2flogs HTTP/1.1",
        "GET //login HTTP/1.1",
    ):
        assert status(raw(served, request(line))) in (303, 401, 404), line
