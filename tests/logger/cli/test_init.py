"""`stagelog init`: a first configuration for what is plugged in, on a terminal and without one."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.virtual.car import VirtualCar
from logger.config import configuration
from logger.demo import stages
from tests.logger.command_line import stagelog
from tests.logger.pseudo_terminal import Terminal

DONE, USAGE, CONFIGURATION, IO = 0, 2, 64, 74


@pytest.fixture(scope="module")
def car() -> Iterator[VirtualCar]:
    """A receiver and an SLCAN adapter on ptys."""
    built_in = stages.stage("dakar-2026-11")
    drive = stages.drive(built_in, built_in.car("baciuska"), 1)
    with VirtualCar(drive, start_s=600.0, gps_baud=38_400, can_rate=200) as car:
        yield car


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's empty folder."""
    return tmp_path


@pytest.mark.load_sensitive
def test_a_newcomer_without_a_terminal(folder: Path, car: VirtualCar) -> None:
    ended = stagelog("init", car.can_port, car.gps_port, folder=folder)
    assert ended.code == DONE
    assert ended.err == ""
    assert ended.out.splitlines() == [
        f"{car.can_port}: CAN adapter, slcan, bus at 500000 bit/s",
        f"{car.gps_port}: GPS receiver, 38400 baud",
        "stagelog.toml: written; next: `stagelog doctor`, then `stagelog run`",
    ]
    path = folder / "stagelog.toml"
    found = configuration.load(path)
    assert found.gps is not None
    assert (found.gps.port, found.can[0].port) == (car.gps_port, car.can_port)
    assert (found.can[0].protocol, found.can[0].bitrate, found.can[0].listen_only) == ("slcan", 500_000, True)
    assert found.serve.host == "127.0.0.1"
    for place in (found.log.directory, found.live.socket, found.serve.state):
        assert place.parent == folder, "nothing outside the folder is written"
    assert path.read_text().count("\n#") > 8, "the settings that are not set are comments"
    assert stagelog("check", folder=folder).out == "stagelog.toml: a configuration, no errors\n"
    doctor = stagelog("doctor", "--seconds", "2", folder=folder)
    assert "port gps: NMEA, 38400 baud" in doctor.out
    assert "port engine: slcan" in doctor.out


@pytest.mark.load_sensitive
def test_a_newcomer_on_a_terminal(folder: Path, car: VirtualCar) -> None:
    terminal = Terminal("-m", "logger", "init", car.gps_port, car.can_port, folder=folder)
    terminal.until("GPS receiver, 38400 baud")
    terminal.answer("Car number", "500")
    assert car.gps_port in terminal.until("]: ")
    terminal.answer("", "")
    terminal.answer(f"[{car.can_port}]: ", "")
    terminal.answer("Protocol of the adapter", "")
    terminal.answer("Bit rate", "250000")
    terminal.answer("machine only): ", "4711")
    terminal.answer("Repeat the pin: ", "4711")
    assert terminal.wait() == DONE, terminal.seen
    assert "4711" not in terminal.seen
    path = folder / "stagelog.toml"
    found = configuration.load(path)
    assert found.gps is not None
    assert (found.car.number, found.gps.port, found.can[0].bitrate) == (500, car.gps_port, 250_000)
    assert (found.serve.host, found.serve.pin) == ("0.0.0.0", "4711")  # noqa: S104 - with a pin
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "it holds the pin"


def test_nothing_plugged_in(folder: Path) -> None:
    ended = stagelog("init", "/dev/null", folder=folder)
    assert ended.code == DONE
    assert ended.out.startswith("/dev/null: this is no serial port")
    assert ended.complaint.startswith("no device was recognised at /dev/ttyACM0")
    found = configuration.load(folder / "stagelog.toml")
    assert found.gps is not None
    assert (found.gps.port, found.can) == ("/dev/ttyACM0", ())


def test_a_machine_without_any_port(folder: Path) -> None:
    """No PORT is given, and the machine has none."""
    code = """
from pathlib import Path
from logger.doctor import recognition
recognition.plugged = list
from logger.__main__ import start
start()
"""
    ended = stagelog("init", folder=folder, starter=("-c", code))
    assert ended.code == DONE
    assert ended.complaints[0] == "no serial adapter and no CAN interface is plugged in"
    assert ended.out == "stagelog.toml: written; next: `stagelog doctor`, then `stagelog run`\n"


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_there_is_never_overwritten(folder: Path, kind: str) -> None:
    path = folder / "stagelog.toml"
    if kind == "file":
        path.write_text("mine\n")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("elsewhere")
    ended = stagelog("init", "/dev/null", folder=folder)
    assert ended.complaint.startswith("stagelog: stagelog.toml: exists and is kept; ")
    assert ended.code == IO
    assert kind != "file" or path.read_text() == "mine\n"
    assert not (folder / "elsewhere").exists()


def test_options_are_taken_as_they_are(folder: Path) -> None:
    settings = "--number 7 --gps-port none --can-port can1 --bitrate 125000 -o car.toml"
    ended = stagelog("init", "/dev/null", *settings.split(), folder=folder)
    assert ended.code == DONE
    assert ended.out.splitlines()[-1].endswith(
        "`stagelog doctor -c car.toml`, then `stagelog run -c car.toml`"
    )
    found = configuration.load(folder / "car.toml")
    assert (found.car.number, found.gps, found.can[0].protocol) == (7, None, "socketcan")
    assert (found.can[0].port, found.can[0].bitrate) == ("can1", 125_000)


@pytest.mark.load_sensitive
def test_a_given_port_is_looked_at_and_another_adapter_tells_nothing_about_it(
    folder: Path, car: VirtualCar
) -> None:
    ended = stagelog("init", "--can-port", car.can_port, "--gps-port", "none", folder=folder)
    assert ended.out.splitlines()[0] == f"{car.can_port}: CAN adapter, slcan, bus at 500000 bit/s"
    assert ended.err == ""
    ended = stagelog("init", car.can_port, "--can-port", "can7", "-o", "other.toml", folder=folder)
    assert ended.complaints == [
        f"{car.can_port} is not in the configuration: add a table for it",
        "no device was recognised at can7: correct that port when it is plugged in",
    ]
    assert configuration.load(folder / "other.toml").can[0].protocol == "socketcan"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("--bitrate 1", CONFIGURATION, "can[0].bitrate"),
        ("--gps-port none --can-port none", CONFIGURATION, "no source"),
        ("--protocol slcann --can-port /dev/null", CONFIGURATION, 'did you mean "slcan"?'),
        ("-o none/stagelog.toml", IO, "none/stagelog.toml: No such file or directory"),
        ("--number x", USAGE, "--number x"),
    ],
)
def test_wrong_answers_write_nothing(folder: Path, arguments: str, code: int, words: str) -> None:
    ended = stagelog("init", "/dev/null", "--can-port", "/dev/x", *arguments.split(), folder=folder)
    assert words in ended.complaints[-1]
    assert ended.code == code
    assert list(folder.iterdir()) == []


def test_a_port_is_written_as_an_absolute_path(folder: Path, car: VirtualCar) -> None:
    (folder / "gps").symlink_to(car.gps_port)
    (folder / "below").mkdir()
    assert stagelog("init", "gps", "-o", "below/car.toml", folder=folder).code == DONE
    found = configuration.load(folder / "below/car.toml")
    assert found.gps is not None
    assert found.gps.port == str(folder / "gps")
