"""What the crew server answers: the live state, its stream, commands, the page and its headers."""

from __future__ import annotations

import json
import re

import pytest

from logger.crew.guard import HEADERS
from logger.crew.server import CREW_FILES
from tests.field_failures.recorder_process import until
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.server.stream import KM, Stream
from tests.logger.crew.serving import Served


def test_the_live_state_is_the_recorders_snapshot(served: Served, car: LiveCar) -> None:
    state = served.ask("/api/live").json
    assert state["stage"] == car.published["stage"]
    assert state["section"]["name"] == "SS11"
    assert KM - 0.2 < state["section"]["distance_km"] <= car.published["section"]["distance_km"] + 0.5
    assert state["recording"] == car.published["recording"]


def test_the_stream_sends_every_snapshot(served: Served) -> None:
    stream = Stream(served)
    assert stream.answer.getheader("content-type") == "text/event-stream"
    events = [stream.event() for _ in range(2)]
    while sum("id" in event for event in events) < 6:  # a link event comes where a snapshot is late
        events.append(stream.event())
    stream.close()
    assert events[0]["retry"] == "500"
    assert json.loads(events[0]["data"])["recorder"] is True
    snapshots = [(int(event["id"]), json.loads(event["data"])) for event in events if "id" in event]
    ids, distances = zip(*((id_, state["section"]["distance_km"]) for id_, state in snapshots), strict=True)
    assert list(ids) == sorted(set(ids))
    assert list(distances) == sorted(distances)


def test_a_command_reaches_the_recorder_and_returns_its_answer(served: Served, car: LiveCar) -> None:
    before = car.published["trip"][0]["distance_km"]
    assert served.command({"command": "adjust_distance", "trip": 1, "metres": 1000}).json == {"ok": True}
    until(lambda: car.published["trip"][0]["distance_km"] >= before + 1)
    assert served.command({"command": "undo"}).json == {"ok": True}
    until(lambda: car.published["trip"][0]["distance_km"] < before + 1)


def test_a_refusal_has_the_recorders_message(served: Served) -> None:
    answer = served.command({"command": "reset_trip", "trip": 7})
    assert answer.status == 409
    assert answer.json == {"ok": False, "error": "reset_trip: trip must be a whole number from 1 to 2"}


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'"mark"', "application/json", 400),
        (b"{}", "application/json", 400),
        (b'{"command": 1}', "application/json", 400),
        (b'{"command": "mark", "id": 5}', "application/json", 400),
        (b"[" * 4000, "application/json", 400),
        (b'{"command": "stick", "state": "done", "detail": ""}', "application/json", 403),
        (b'{"command": "mark", "note": "\\ud800"}', "application/json", 400),
        (b'\xff{"command"', "application/json", 400),
        (b'{"command": "mark"}', "text/plain", 415),
        (b'{"command": "mark"}', "application/x-www-form-urlencoded", 415),
        (b" " * 5000 + b'{"command": "mark"}', "application/json", 413),
        (b'{"command": "adjust_distance", "metres": NaN}', "application/json", 400),
        (b'{"command": "adjust_distance", "metres": 1e999}', "application/json", 400),
    ],
)
def test_an_invalid_command_is_refused(served: Served, body: bytes, kind: str, status: int) -> None:
    answer = served.ask("/api/command", "POST", body, {"content-type": kind})
    assert answer.status == status
    assert answer.json["ok"] is False


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/crew.js", 200),
        ("GET", "/crew.css", 200),
        ("GET", "/favicon.ico", 204),
        ("HEAD", "/", 200),
        ("GET", "/login", 303),
        ("GET", "/nothing", 404),
        ("GET", "/../verbs.py", 404),
        ("GET", "/%2e%2e/pin.py", 404),
        ("GET", "/api/command", 405),
        ("POST", "/api/live", 405),
        ("POST", "/api/live/stream", 405),
        ("DELETE", "/", 405),
        ("GET", "//evil.example/", 404),
    ],
)
def test_every_answer_has_the_security_headers(served: Served, method: str, path: str, status: int) -> None:
    answer = served.ask(path, method)
    assert answer.status == status
    assert HEADERS.items() <= answer.headers.items()
    assert "server" not in answer.headers


def test_the_page_loads_nothing_from_other_hosts(served: Served) -> None:
    for path in ("/", *(f"/{name}" for name in CREW_FILES)):
        text = served.ask(path).body.decode()
        assert not re.search(r"https?:|[\"'(]//", text), "a URL of another host"
    page = served.ask("/").body.decode()
    assert " style=" not in page
    assert "<style" not in page
    assert " onclick=" not in page


def test_an_unchanged_file_is_not_sent_again(served: Served) -> None:
    tag = served.ask("/crew.js").headers["etag"]
    assert served.ask("/crew.js", headers={"if-none-match": tag}).status == 304
