"""Fuzz targets for texts: itineraries, rules, configurations, routes, DBC, commands and HTTP headers.

Each text is read, or refused with a StagelogError of one line per mistake. What was read can be written and read again.
"""

from __future__ import annotations

import importlib.resources
import io
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from firmware_bridge.engine import dbc
from firmware_bridge.errors import StagelogError
from firmware_bridge.records import Fix
from logger.config import configuration
from logger.crew.ranges import UnsatisfiableError, requested_range, tags
from logger.live.document import document
from logger.stage import conditions, itinerary, rules
from logger.stage.live_stage import LiveStage
from logger.stage.openrally.read import import_route
from logger.stage.openrally.write import write
from logger.tomlconfig import schema

Check = Callable[[bytes], None]
_HERE = Path("folder-of-no-importance")
_ALARMS = (
    b"battery_v < 13.0", b"rpm > 1000 and coolant_c >= 110", b"gps_age_s > 5 or not_known == 1",
    b"(a < 1 or b > 2) and c != 3",
)  # fmt: skip
_CONFIG = b"""
[car]
number = 500
name = "Defender"
crew = ["driver", "navigator"]
[log]
directory = "logs"
max_loss_s = 1.0
[gps]
port = "/dev/stagelog-gps"
baud = "auto"
init = ["$PMTK220,100*2F"]
[[can]]
name = "engine"
port = "socket://127.0.0.1:9"
protocol = "slcan"
baud = 2000000
bitrate = 500000
preset = "obd2"
[live]
socket = "/run/stagelog/live.sock"
rate_hz = 10
[serve]
host = "0.0.0.0"
port = 8040
pin = "2468"
[[alarm]]
name = "alternator"
when = "battery_v < 13.0"
while = "rpm > 1000"
for_s = 10
level = "warn"
"""
_COMMANDS = (
    {"command": "start_section", "index": 0}, {"command": "adjust_distance", "trip": 1, "metres": -10.5},
    {"command": "set_distance", "trip": 2, "km": 12.3}, {"command": "mark", "note": "here"}, {"command": "undo"},
    {"command": "schedule_start", "utc": "08:15"}, {"command": "schedule_start", "utc": "2026-01-15T08:15:00Z"},
    {"command": "acknowledge", "name": "battery"}, {"command": "finish_section"}, {"command": "reset_trip", "trip": 1},
)  # fmt: skip


def _demo(name: str) -> bytes:
    return (importlib.resources.files("logger") / name).read_bytes()


def _short_itinerary() -> bytes:
    read = itinerary.load(_demo("demo/dakar_2026_11.toml").decode(), "demo")
    return itinerary.dumps(read).encode()[:4000].rpartition(b"[[")[0]


def assert_readable(error: StagelogError) -> None:
    """The message of an error is not empty and has a bounded length."""
    assert str(error).strip()
    assert len(str(error)) < 100_000


def itineraries() -> Check:
    def check(data: bytes) -> None:
        try:
            read = itinerary.load(data.decode("utf-8", "replace"), "fuzz.toml")
        except StagelogError as error:
            assert_readable(error)
            return
        assert itinerary.load(itinerary.dumps(read), "again") == read
        live = LiveStage(read, rules.default_rules())
        live.command(0, "start_section", {})
        for second in range(3):
            live.fix(Fix(second * 1_000_000, None, 20.0 + second / 3600, 42.0, None, 30.0, 0.0, 1, 9, 1.0))
            live.tick(second * 1_000_000 + 100)
        json.dumps(document(live.snapshot(3_000_000)), allow_nan=False)

    return check


def rule_files() -> Check:
    def check(data: bytes) -> None:
        try:
            read = rules.load(data.decode("utf-8", "replace"), "fuzz.toml")
        except StagelogError as error:
            assert_readable(error)
        else:
            LiveStage(None, read, read.alarms).tick(1_000_000)

    return check


def configurations() -> Check:
    def check(data: bytes) -> None:
        try:
            read = configuration.loads(data.decode("utf-8", "replace"), "fuzz.toml", _HERE)
        except StagelogError as error:
            assert_readable(error)
        else:
            assert read.serve.pin is None or "pin =" not in configuration.for_log(read)
            schema.TomlFile(configuration.for_log(read), "again", _HERE)

    return check


def routes() -> Check:
    def check(data: bytes) -> None:
        try:
            text, remarks = import_route(io.BytesIO(data), "fuzz.gpx")
        except StagelogError as error:
            assert_readable(error)
            return
        try:
            read = itinerary.load(text, "again")
        except StagelogError as error:
            assert_readable(error)
            assert any(remark.what.startswith("dz without a speed") for remark in remarks), (
                "the import has no remark on it"
            )
            return
        with suppress(StagelogError):  # GPX cannot hold a point without coordinates
            write(read)

    return check


def dbc_files() -> Check:
    logging.getLogger("cantools").setLevel(logging.ERROR)  # it warns about every duplicate message

    def check(data: bytes) -> None:
        try:
            read = dbc.load(dbc.text_of(data), "fuzz.dbc")
        except StagelogError as error:
            assert_readable(error)
            return
        for can_id in sorted(read.ids)[:20]:
            for content in (b"", bytes(8), b"\xff" * 8, b"\xff" * 64):
                read.decode(0, can_id, content)

    return check


def alarm_conditions() -> Check:
    def check(data: bytes) -> None:
        try:
            read = conditions.parse(data.decode("utf-8", "replace"))
        except StagelogError as error:
            assert_readable(error)
        else:
            read.holds(dict.fromkeys(read.names, 1.0))
            read.holds({})

    return check


def commands() -> Check:
    """Commands of the crew as JSON, as the live socket receives them."""
    live = LiveStage(None, rules.default_rules())
    state = {"t_us": 0}

    def check(data: bytes) -> None:
        state["t_us"] += 1000
        with suppress(ValueError, RecursionError):
            fields = json.loads(data)
            json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()
            if isinstance(fields, dict) and isinstance(name := fields.pop("command", None), str):
                live.command(state["t_us"], name, fields)  # refuses with a ValueError
        live.tick(state["t_us"])
        json.dumps(document(live.snapshot(state["t_us"])), allow_nan=False).encode()
        live.take_events()

    return check


def http_headers() -> Check:
    """Headers with ranges and version tags."""

    def check(data: bytes) -> None:
        text = data.decode("latin-1")
        tags(text)
        try:
            requested = requested_range(text, 1000)
        except UnsatisfiableError:
            return
        assert requested is None or 0 <= requested.start < requested.stop <= 1000

    return check


def _route() -> bytes:
    return write(itinerary.load(_short_itinerary().decode(), "demo"))


TARGETS: dict[str, tuple[Callable[[], list[bytes]], Callable[[], Check]]] = {
    "itinerary": (lambda: [_short_itinerary()], itineraries),
    "rules": (lambda: [_demo("stage/rules_default.toml")], rule_files),
    "config": (lambda: [_CONFIG], configurations),
    "openrally": (lambda: [_route()], routes),
    "dbc": (
        lambda: [
            (importlib.resources.files("firmware_bridge.virtual") / "demo_engine.dbc").read_bytes()[:6000]
        ],
        dbc_files,
    ),
    "conditions": (lambda: list(_ALARMS), alarm_conditions),
    "commands": (lambda: [json.dumps(command).encode() for command in _COMMANDS], commands),
    "http": (lambda: [b"bytes=0-10", b"bytes=-5", b'"a", W/"b"', b"bytes=0-1,5-6"], http_headers),
}
