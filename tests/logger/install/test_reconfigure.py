"""`install --change`: the answers change in an existing configuration, and nothing else of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.errors import ConfigurationError
from logger.config import configuration
from logger.config.configuration import Config
from logger.install import reconfigure
from logger.install.configuration import Answers, answers_of, render
from logger.install.reconfigure import reconfigured
from logger.install.root import Root
from tests.logger.install.conftest import PIN, Call
from tests.logger.install.installing import CONFIGURATION, WITH_PIN, output_of

pytestmark = pytest.mark.process

BY_HAND = """\
# our car
[car]
number = 501      # on both doors
crew = ["Ana", "Luc"]

[gps]
port = "/dev/stagelog-gps"
init = [
  "$PMTK220,100*2F",   # 10 Hz
]

[[can]]
name = "engine"
port = "/dev/stagelog-can"
protocol = "slcan"
bitrate = 500_000
preset = "obd2"

[[can]]
name = "dash"
port = "/dev/ttyACM3"
protocol = "gvret"
bitrate = 250000

[[alarm]]
name = "[can]"
when = "speed_kmh > 150"

[serve]
host = "10.42.0.1"
pin = 'jaune-2468'
"""


def config_of(text: str) -> Config:
    return configuration.loads(text, "stagelog.toml", Path("/etc/stagelog"))


def changed(text: str, **given: object) -> str:
    found = reconfigured(text, answers_of(config_of(text)), given)
    assert found is not None
    return found


@pytest.fixture
def edited(image: Path, call: Call) -> Path:
    """An installation whose owner wrote the configuration."""
    call("install", *WITH_PIN)
    (image / CONFIGURATION).write_text(BY_HAND)
    return image


def test_only_the_lines_of_the_answers_change(edited: Path) -> None:
    arguments = (
        "--change",
        "--number",
        "77",
        "--bitrate",
        "125000",
        "--protocol",
        "gvret",
        "--pin-file",
        "-",
    )
    output_of(edited, *arguments, stdin=b"another pin\n")
    text = (edited / CONFIGURATION).read_text()
    expected = BY_HAND.replace("501 ", "77 ").replace("500_000", "125000").replace('"slcan"', '"gvret"')
    assert text == expected.replace("'jaune-2468'", '"another pin"')
    assert (edited / f"{CONFIGURATION}.edited-1").read_text() == BY_HAND
    status = (edited / CONFIGURATION).stat()
    assert status.st_mode & 0o777 == 0o640 and status.st_gid != 0


def test_without_an_answer_nothing_changes(edited: Path, call: Call) -> None:
    (line,) = call("install", "--change", "--yes")
    assert line.startswith("nothing to do")
    (line,) = call("install", "--change", "--number", "501")
    assert line.startswith("nothing to do")
    assert (edited / CONFIGURATION).read_text() == BY_HAND


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--gps-port", "COM3"), "Windows"),
        (("--can-port", "ttyACM0"), "not the path of a device"),
        (("--can-port", "can0", "--protocol", "slcan"), "socketcan"),
        (("--protocol", "gvrett"), "gvret"),
        (("--bitrate", "3"), "bitrate"),
        (("--number", "-4"), "number"),
        (
            ("--can-port", "/dev/ttyACM3"),
            "with these settings: can[0].port: two sources read this port; give each its own",
        ),
    ],
)
def test_a_wrong_answer_is_one_line_and_changes_nothing(
    edited: Path, arguments: tuple[str, ...], what: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        output_of(edited, "--change", *arguments)
    assert what in str(caught.value) and "\n" not in str(caught.value)
    assert (edited / CONFIGURATION).read_text() == BY_HAND


def test_a_dry_run_changes_nothing(edited: Path, call: Call) -> None:
    assert "change /etc/stagelog/stagelog.toml" in "\n".join(
        call("install", "--change", "--number", "7", "--dry-run")
    )
    assert (edited / CONFIGURATION).read_text() == BY_HAND


def test_a_device_is_taken_away_and_given_back(edited: Path) -> None:
    """The tables stay as comments; a string that looks like a table does not end them."""
    without = changed(BY_HAND, can_port="", gps_port="/dev/ttyAMA0")
    assert config_of(without).can == () and '# name = "dash"' in without
    again = changed(without, can_port="can0", bitrate=125_000, number=9)
    (can,) = config_of(again).can
    assert (can.port, can.protocol, can.bitrate) == ("can0", "socketcan", 125_000)
    config = config_of(again)
    assert config.gps is not None and (config.gps.port, config.gps.init) == (
        "/dev/ttyAMA0",
        ("$PMTK220,100*2F",),
    )
    assert config.alarms[0].name == "[can]" and "# on both doors" in again
    no_gps = changed(BY_HAND, gps_port="")
    assert config_of(no_gps).gps is None and '#   "$PMTK220,100*2F",' in no_gps


def test_the_port_of_an_interface_and_its_protocol_change_together() -> None:
    to_interface = changed(BY_HAND, can_port="can0")
    assert (config_of(to_interface).can[0].port, config_of(to_interface).can[0].protocol) == (
        "can0",
        "socketcan",
    )
    back = changed(to_interface, can_port="/dev/ttyACM0")
    assert (config_of(back).can[0].port, config_of(back).can[0].protocol) == ("/dev/ttyACM0", "slcan")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            'car.number = 501 # ours\ngps.port = "/dev/serial0"\n[serve]\nport = 8041\n',
            'car.number = 7 # ours\ngps.port = "/dev/serial0"\n[serve]\nhost = "0.0.0.0"\npin = "2468"\nport = 8041\n',
        ),
        (
            '[gps]\nport = "/dev/serial0"',
            '[gps]\nport = "/dev/serial0"\n\n[car]\nnumber = 7\n\n[serve]\nhost = "0.0.0.0"\npin = "2468"\n',
        ),
        ("gps.port='/dev/serial0'\r\n  [ car ]\r\n'number'=5\r\n[serve]\r\n\"pin\" = 'old one'\r\n", None),
    ],
)
def test_other_ways_to_write_it(before: str, after: str | None) -> None:
    found = changed(before, number=7, pin="2468")
    assert after is None or found == after
    config = config_of(found)
    assert (config.car.number, config.serve.pin) == (7, "2468")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_an_editor_of_windows_writes_can_be_changed(edited: Path, encoding: str) -> None:
    (edited / CONFIGURATION).write_bytes(BY_HAND.replace("\n", "\r\n").encode(encoding))
    output_of(edited, "--change", "--number", "77")
    text = (edited / CONFIGURATION).read_bytes().decode()
    assert text.startswith("# our car\r\n") and "number = 77 " in text


def test_an_interface_gets_its_option(edited: Path) -> None:
    output_of(edited, "--change", "--can-port", "can0")
    assert (edited / "etc/udev/rules.d/90-stagelog-can.rules").exists()


@pytest.mark.parametrize(
    "text",
    [
        'car.number = 501\ngps = {port = "/dev/ttyUSB0"}\n',
        'can = [{name = "engine", port = "can0", protocol = "socketcan"}]\n',
        '[serve]\npin = """\njaune-2468"""\n',
    ],
)
def test_what_is_written_otherwise_is_left_to_the_owner(edited: Path, text: str) -> None:
    text += BY_HAND.split("[serve]", maxsplit=1)[0] if text.startswith("[serve]") else ""
    config_of(text)
    (edited / CONFIGURATION).write_text(text)
    with pytest.raises(ConfigurationError, match="change them in the file"):
        output_of(
            edited,
            "--change",
            "--can-port",
            "can7",
            "--gps-port",
            "none",
            "--pin-file",
            "-",
            stdin=b"12345\n",
        )
    assert (edited / CONFIGURATION).read_text() == text


def test_a_file_that_cannot_be_changed_is_reported(edited: Path) -> None:
    for content, what in ((b"[car\n", "stagelog.toml:1"), (b"# \xff\n", "UTF-8")):
        (edited / CONFIGURATION).write_bytes(content)
        with pytest.raises(ConfigurationError, match=what):
            output_of(edited, "--change", "--number", "7")
        assert (edited / CONFIGURATION).read_bytes() == content
    (edited / CONFIGURATION).unlink()
    (edited / CONFIGURATION).symlink_to("/etc/elsewhere.toml")
    with pytest.raises(ConfigurationError, match="points to"):
        output_of(edited, "--change", "--number", "7")


def test_a_new_installation_takes_the_option_too(image: Path) -> None:
    output_of(image, "--change", *WITH_PIN, stdin=PIN.encode())
    assert config_of((image / CONFIGURATION).read_text()).car.number == 500


def test_the_present_answers_are_printed_without_the_pin(
    edited: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reconfigure, "Root", lambda: Root(edited))
    assert reconfigure.main() == 0
    assert capsys.readouterr().out.split("\n") == [
        "number=501",
        "gps-port=/dev/stagelog-gps",
        "can-port=/dev/stagelog-can",
        "protocol=slcan",
        "bitrate=500000",
        "",
    ]
    (edited / CONFIGURATION).write_bytes(render(Answers(gps_port="")))
    assert reconfigure.main() == 0
    assert capsys.readouterr().out.startswith("gps-port=none\n"), "no number"
    (edited / CONFIGURATION).write_text("[car\n")
    assert reconfigure.main() == 1
    assert capsys.readouterr().err.count("\n") == 1
