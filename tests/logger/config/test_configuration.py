"""`stagelog.toml`: every table and key, every rule, and the pin that stays secret."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from firmware_bridge.errors import ConfigurationError
from logger.config.configuration import (
    Car,
    Config,
    Live,
    Log,
    Serve,
    Shutdown,
    for_log,
    is_loopback,
    load,
    loads,
)
from logger.config.sources import Gps
from logger.stage.declared import Alarm
from logger.tomlconfig.schema import TomlError

WHOLE = """\
[car]
number = 500
name = "Defender"
class = "Stock"
crew = ["driver", "navigator"]
[log]
directory = "/var/lib/stagelog"
max_loss_s = 0.5
min_free_mb = 256
[gps]
port = "/dev/stagelog-gps"
baud = 115200
init = ["$PMTK220,100*2F", "$PUBX,40,GSV,0,0,0,0"]
[[can]]
name = "engine"
port = "socket://127.0.0.1:7000"
protocol = "slcan"
baud = 2000000
bitrate = 500000
listen_only = false
poll = true
dbc = ["engine.dbc", "/etc/chassis.dbc"]
preset = "obd2"
[[can]]
name = "chassis"
port = "ttys/can1"
protocol = "gvret"
[stage]
itinerary = "stages/stage.toml"
[live]
socket = "/run/stagelog/live.sock"
rate_hz = 20
[serve]
host = "0.0.0.0"
port = 8041
pin = "s3cr3t"
[[alarm]]
name = "alternator"
when = "battery_v < 13.0"
while = "rpm > 1000"
for_s = 10
level = "critical"
"""
GPS = '[gps]\nport = "/dev/gps"\n'
ALARM = '[[alarm]]\nname = "a"\nwhen = "speed_kmh > 1"\n'
CAN = '[[can]]\nname = "engine"\nport = "/dev/can"\nprotocol = "slcan"\n'


def read(text: str) -> Config:
    return loads(text, "stagelog.toml", Path("/etc/stagelog"))


def problems(text: str) -> list[str]:
    with pytest.raises(TomlError) as caught:
        read(text)
    return [str(problem) for problem in caught.value.problems]


def test_the_whole_file() -> None:
    config = read(WHOLE)
    assert config.car == Car(500, "Defender", "Stock", ("driver", "navigator"))
    assert config.log == Log(Path("/var/lib/stagelog"), 0.5, 256)
    assert config.gps == Gps("/dev/stagelog-gps", "gps", 115200, ("$PMTK220,100*2F", "$PUBX,40,GSV,0,0,0,0"))
    engine, chassis = config.can
    assert (engine.name, engine.protocol, engine.baud, engine.bitrate) == (
        "engine",
        "slcan",
        2_000_000,
        500_000,
    )
    assert (engine.listen_only, engine.poll, engine.preset) == (False, True, "obd2")
    assert (chassis.baud, chassis.bitrate, chassis.listen_only, chassis.poll) == ("auto", None, True, False)
    assert config.live == Live(Path("/run/stagelog/live.sock"), 20.0)
    assert config.serve == Serve("0.0.0.0", 8041, "s3cr3t")  # noqa: S104 - only compared, never opened
    assert config.alarms == (Alarm("alternator", "battery_v < 13.0", "rpm > 1000", 10.0, "critical"),)


def test_the_clock_and_the_shutdown() -> None:
    assert read(GPS).clock.chrony is None and read(GPS).shutdown is None
    config = read(GPS + '[clock]\nchrony = "chrony.sock"\n[shutdown]\nwhen = "gps_age_s > 60"\n')
    assert config.clock.chrony == Path("/etc/stagelog/chrony.sock")
    assert config.shutdown == Shutdown("gps_age_s > 60", 30.0)
    messages = problems(GPS + '[shutdown]\nwhen = "ignition < 0.5"\nfor_s = 1\n')
    assert any(
        "shutdown.when" in problem and '"ignition" is not a channel' in problem for problem in messages
    )
    assert any(
        "shutdown.for_s" in problem for problem in problems(GPS + '[shutdown]\nwhen = "rpm >"\nfor_s = 1\n')
    )


def test_position_and_heading_are_hidden_by_default() -> None:
    assert read(GPS).serve.compliance
    assert not read(GPS + "[serve]\ncompliance = false\n").serve.compliance


def test_relative_paths_start_from_the_file_s_folder() -> None:
    config = read(WHOLE)
    assert config.can[0].dbc == (Path("/etc/stagelog/engine.dbc"), Path("/etc/chassis.dbc"))
    assert config.stage is not None
    assert config.stage.itinerary == Path("/etc/stagelog/stages/stage.toml")
    assert [can.port for can in config.can] == ["socket://127.0.0.1:7000", "/etc/stagelog/ttys/can1"]


def test_listen_only_is_the_default_and_the_log_keeps_try() -> None:
    assert read(CAN).can[0].listen_only is True
    config = read(CAN + 'listen_only = "try"\nbitrate = 500_000\ndata_bitrate = 2_000_000')
    assert (config.can[0].listen_only, config.can[0].data_bitrate) == ("try", 2_000_000)
    logged = tomllib.loads(for_log(config))["can"][0]
    assert (logged["listen_only"], logged["data_bitrate"]) == ("try", 2_000_000)


def test_one_source_is_enough() -> None:
    config = read(GPS)
    assert config == Config(gps=Gps("/dev/gps"))
    assert config.gps is not None
    assert config.gps.baud == "auto"
    assert config.serve == Serve("127.0.0.1", 8040, None)
    assert config.log.max_loss_s == 1.0
    assert read(CAN).gps is None


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


def test_an_alarm_has_every_key_that_the_rules_have() -> None:
    [alarm] = read(GPS + ALARM + 'message = "Too fast"\nrearm = 5\nlatch = true\n').alarms
    assert alarm == Alarm("a", "speed_kmh > 1", message="Too fast", rearm=5.0, latch=True)


def test_an_alarm_uses_channels_that_exist() -> None:
    """Channel names are checked unless a DBC file, which is not read yet, may add others."""
    asks = '[[alarm]]\nname = "a"\nwhen = "coolnat_c > 110"\n'
    assert problems(CAN + 'preset = "obd2"\n' + asks) == [
        'stagelog.toml:8: alarm[0].when: "coolnat_c > 110": "coolnat_c" is not a channel; did you mean "coolant_c"?'
    ]
    assert read(CAN + 'preset = "obd2"\n' + asks.replace("coolnat", "coolant")).alarms
    assert read(CAN + 'dbc = ["engine.dbc"]\n' + asks).alarms


def test_two_dbc_files_of_one_name() -> None:
    both = 'dbc = ["a/engine.dbc", "b/engine.dbc"]\n'
    [problem] = problems(CAN + both)
    assert problem.startswith(
        "stagelog.toml:5: can[0].dbc[1]: /etc/stagelog/a/engine.dbc has this file name too"
    )
    again = CAN.replace("engine", "chassis").replace("/dev/can", "/dev/can2") + 'dbc = ["a/engine.dbc"]\n'
    assert len(read(CAN + 'dbc = ["a/engine.dbc"]\n' + again).can) == 2


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("192.168.4.1", False),
        ("stagelog.local", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_the_pin_appears_nowhere() -> None:
    config = read(WHOLE)
    assert config.serve.pin == "s3cr3t"
    assert "s3cr3t" not in repr(config)
    assert "s3cr3t" not in for_log(config)
    for wrong in ("52_741", "[52741]", "{ a = 52741 }", "'52'", "52741.5"):
        assert not [problem for problem in problems(GPS + f"[serve]\npin = {wrong}") if "52" in problem]


def test_the_text_for_the_log_holds_everything_else() -> None:
    config = read(WHOLE)
    text = for_log(config)
    logged = tomllib.loads(text)
    assert logged["car"] == {
        "number": 500,
        "name": "Defender",
        "class": "Stock",
        "crew": ["driver", "navigator"],
    }
    assert logged["can"][1]["listen_only"] is True
    assert "pin" not in logged["serve"]
    again = loads(text.replace("[serve]\n", '[serve]\npin = "s3cr3t"\n'), "log", Path("/elsewhere"))
    assert again == config
    assert for_log(again) == text


def test_a_file_is_read_from_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "stagelog.toml"
    path.write_text(GPS.replace("/dev/gps", "gps.pty"), encoding="utf-8")
    config = load(path)
    assert config.gps is not None
    assert config.gps.port == str(tmp_path / "gps.pty")


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


INTERFACE = '[[can]]\nname = "engine"\nport = "can0"\nprotocol = "socketcan"\n'


def test_a_can_interface_is_a_name_not_a_path() -> None:
    (can,) = loads(INTERFACE, "stagelog.toml", Path("/etc/stagelog")).can
    assert (can.port, can.baud, can.is_interface) == ("can0", "auto", True)


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
