"""Errors of `stagelog.toml`: every rule, several mistakes at once, unreadable files."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.errors import ConfigurationError
from logger.config.configuration import (
    load,
    loads,
)
from tests.logger.config.configurations import ALARM, CAN, GPS, INTERFACE, WHOLE, problems, read


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("", 1, "gps: no source: neither a [gps] nor a [[can]] table; add the one that is plugged in"),
        (CAN.replace("slcan", "slacn"), 4, 'can[0].protocol: "slacn" is not known; did you mean "slcan"?'),
        (CAN.replace("slcan", "nmea"), 4, 'can[0].protocol: "nmea" is not known'),
        (CAN + 'preset = "obd"', 5, 'can[0].preset: "obd" is not known; did you mean "obd2"?'),
        (CAN + 'baud = "fast"', 5, 'can[0].baud: expected a whole number or "auto", found "fast"'),
        (CAN + "baud = 20", 5, "can[0].baud: 20 is too small; the minimum is 300"),
        (CAN + "bitrate = 2_000_000", 5, "can[0].bitrate: 2000000 is too large; the maximum is 1000000"),
        (
            CAN + 'poll = true\npreset = "obd2"',
            5,
            "can[0].poll: OBD-II polling transmits, but listen_only = true",
        ),
        (
            CAN + 'listen_only = "try"\npoll = true\npreset = "obd2"',
            6,
            'can[0].poll: OBD-II polling transmits, but listen_only = "try" forbids that; set poll = false, or',
        ),
        (CAN + 'listen_only = "yes"', 5, 'can[0].listen_only: expected true or false or "try", found "yes"'),
        (
            CAN + "data_bitrate = 9_000_000",
            5,
            "can[0].data_bitrate: 9000000 is too large; the maximum is 8000000",
        ),
        (
            CAN + "bitrate = 500_000\ndata_bitrate = 250_000",
            6,
            "can[0].data_bitrate: 250000 is less than bitrate; set it to at least bitrate",
        ),
        (
            CAN.replace("slcan", "gvret") + "data_bitrate = 2_000_000",
            5,
            "can[0].data_bitrate: gvret has no command for it; remove it",
        ),
        (
            CAN + "listen_only = false\npoll = true",
            6,
            "can[0].poll: nothing reads the OBD-II answers; add preset",
        ),
        (GPS + CAN.replace("/dev/can", "/dev/gps"), 2, "gps.port: two sources read this port"),
        (GPS + CAN.replace('"engine"', '"gps"'), 1, 'gps.name: "gps" names two sources'),
        ('[gps]\nport = ""', 2, "gps.port: empty"),
        ('[gps]\nport = "gpsd://localhost:gps"', 2, "gps.port: has no valid port number; write it as"),
        ('[gps]\nport = "gpsd://pi"\ninit = ["$A"]', 3, "gps.init: gpsd does not pass it on to the receiver"),
        (
            GPS + 'init = ["$PMTK220,100*2E"]',
            3,
            "gps.init[0]: the checksum is 2E, so the receiver would ignore it",
        ),
        (GPS + 'init = ["$A\\n"]', 3, "gps.init[0]: has characters that a receiver does not accept"),
        (
            GPS + '[serve]\nhost = "0.0.0.0"',
            3,
            "serve.pin: missing: host = '0.0.0.0' can be reached from other",
        ),
        (GPS + '[serve]\nhost = "::"', 3, "serve.pin: missing"),
        (GPS + '[serve]\npin = "123"', 4, "serve.pin: too short; use at least 4 characters"),
        (GPS + '[serve]\npin = ""', 4, "serve.pin: too short"),
        (
            GPS + "[serve]\npin = 1234",
            4,
            "serve.pin: expected text in quotes, found something else; write pin = ",
        ),
        (GPS + '[serve]\nhost = "0.0.0.0"\npin = 1234', 5, "serve.pin: expected text in quotes"),
        (GPS + "[serve]\nport = 70000", 4, "serve.port: 70000 is too large"),
        (GPS + "[live]\nrate_hz = 0", 4, "live.rate_hz: 0 is too small"),
        (
            GPS + f'[live]\nsocket = "/{"x" * 107}"',
            4,
            "live.socket: a path of 108 bytes is too long for a socket",
        ),
        (GPS + "[log]\nmax_loss_s = 0", 4, "log.max_loss_s: 0 is too small"),
        (GPS + "[stage]", 3, "stage.itinerary: missing; add itinerary = a path in quotes"),
        (GPS + '[[alarm]]\nname = "a"', 3, "alarm[0].when: missing"),
        (GPS + "[log]\nmax_loss_s = 11", 4, "log.max_loss_s: 11 is too large"),
        (GPS + '[serve]\ncompliance = "yes"', 4, "serve.compliance: expected true or false"),
        (GPS + '[[alarm]]\nname = "a"\nwhen = " "', 5, "alarm[0].when: empty"),
        (GPS + ALARM + 'level = "loud"', 6, 'alarm[0].level: "loud" is not known'),
        (GPS + ALARM + "rearm = -1", 6, "alarm[0].rearm: -1 is too small"),
        (GPS + ALARM + 'while = "1 > rpm"', 6, "alarm[0].while: "),
        (
            GPS + ALARM + 'while = "gps_age > 1"',
            6,
            'alarm[0].while: "gps_age > 1": "gps_age" is not a channel',
        ),
        (GPS + "[sreve]\nport = 1", 3, 'sreve: unknown key; did you mean "serve"?'),
    ],
)
def test_each_rule(text: str, line: int, expected: str) -> None:
    found = problems(text)
    assert found[0].startswith(f"stagelog.toml:{line}: {expected}")
    places = [problem.split(": ")[1].rpartition(".")[2] for problem in found]
    assert set(places) == {places[0]}, "one mistake is reported once"


def test_every_mistake_at_once() -> None:
    text = WHOLE.replace("500", '"500"', 1).replace("slcan", "slacn").replace('pin = "s3cr3t"\n', "")
    text = text.replace("rate_hz", "rate").replace("listen_only = false\n", "")
    assert [problem.split(": ")[:2] for problem in problems(text)] == [
        ["stagelog.toml:2", "car.number"],
        ["stagelog.toml:17", "can[0].protocol"],
        ["stagelog.toml:20", "can[0].poll"],
        ["stagelog.toml:31", "live.rate"],
        ["stagelog.toml:32", "serve.pin"],
    ]


def test_two_alarms_of_one_name() -> None:
    assert len(problems(GPS + ALARM + ALARM)) == 2


def test_an_alarm_uses_channels_that_exist() -> None:
    """Channel names are checked unless a DBC file, which is not read yet, may add others."""
    asks = '[[alarm]]\nname = "a"\nwhen = "coolnat_c > 110"\n'
    assert problems(CAN + 'preset = "obd2"\n' + asks) == [
        'stagelog.toml:8: alarm[0].when: "coolnat_c > 110": "coolnat_c" is not a channel; did you mean "coolant_c"?'
    ]
    assert read(CAN + 'preset = "obd2"\n' + asks.replace("coolnat", "coolant")).alarms
    assert read(CAN + 'dbc = ["engine.dbc"]\n' + asks).alarms


def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    for path, what in ((tmp_path / "none.toml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigurationError, match=f"{path}: cannot be read: {what}.*; ") as caught:
            load(path)
        assert caught.value.exit_code == 64


def test_a_file_that_is_not_text_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "stagelog.toml"
    path.write_bytes(GPS.encode() + 'name = "Méharée"'.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=f"{path}:3: not UTF-8 text; save"):
        load(path)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            INTERFACE.replace("can0", "/dev/ttyACM0"),
            "can[0].port: '/dev/ttyACM0' is not a CAN interface name",
        ),
        (INTERFACE.replace("can0", "a-name-too-long0"), "is not a CAN interface name"),
        (INTERFACE.replace("can0", "can 0"), "is not a CAN interface name"),
        (INTERFACE + "baud = 500000\n", "can[0].baud: a CAN interface has no baud rate"),
        (INTERFACE.replace('"can0"', '""'), "can[0].port"),
        (
            CAN.replace("/dev/can", "socketcan://can0?bitrate=x"),
            "can[0].port: neither a serial port nor a URL of one",
        ),
        ('[gps]\nport = "SocketCAN://["\n', "gps.port: neither a serial port nor a URL of one"),
    ],
)
def test_invalid_can_interfaces(text: str, what: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loads(text, "stagelog.toml", Path("/etc/stagelog"))
    assert what in str(caught.value)
