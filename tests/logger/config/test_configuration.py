"""`stagelog.toml`: every table and key, defaults, and the pin that stays secret."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

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
from tests.logger.config.configurations import ALARM, CAN, GPS, INTERFACE, WHOLE, problems, read


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


def test_an_alarm_has_every_key_that_the_rules_have() -> None:
    [alarm] = read(GPS + ALARM + 'message = "Too fast"\nrearm = 5\nlatch = true\n').alarms
    assert alarm == Alarm("a", "speed_kmh > 1", message="Too fast", rearm=5.0, latch=True)


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


def test_a_can_interface_is_a_name_not_a_path() -> None:
    (can,) = loads(INTERFACE, "stagelog.toml", Path("/etc/stagelog")).can
    assert (can.port, can.baud, can.is_interface) == ("can0", "auto", True)
