"""The questions of the Debian package, asked by Debian's own debconf on a terminal."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from logger.config.sources import CAN_PROTOCOLS
from logger.install.plan import CONFIGURATION
from tests.systemd.conversation import conversation

SCRIPTS = Path(__file__).parents[2] / "systemd/debian/stagelog"
FRONTEND = Path("/usr/share/debconf/frontend")
_DATABASE = """\
Config: config
Templates: templates

Name: config
Driver: File
Filename: {folder}/config.dat

Name: templates
Driver: File
Filename: {folder}/templates.dat
"""
_PRINT = """\
#!/bin/sh
set -e
. /usr/share/debconf/confmodule
for name in number gps-port can-port protocol bitrate pin; do
    db_get "stagelog/$name"
    echo "[$name=$RET]" >&2
done
"""
Ask = Callable[..., dict[str, str]]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Answer the questions in this order, and return what the installation would get."""
    if not FRONTEND.exists():
        pytest.skip("debconf is not installed")
    if Path(CONFIGURATION).exists():
        pytest.skip(f"there is {CONFIGURATION}: nothing is asked")
    for name in ("config", "templates"):
        shutil.copy(SCRIPTS / name, tmp_path / name)
    (tmp_path / "postinst").write_text(_PRINT)
    for name in ("config", "postinst"):
        (tmp_path / name).chmod(0o755)
    (tmp_path / "debconf.conf").write_text(_DATABASE.format(folder=tmp_path))
    monkeypatch.setenv("DEBCONF_SYSTEMRC", str(tmp_path / "debconf.conf"))
    monkeypatch.setenv("DPKG_MAINTSCRIPT_PACKAGE", "stagelog")
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("TERM", "dumb")

    def asked(
        *answers: tuple[str, str], priority: str = "high", frontend: str = "readline"
    ) -> dict[str, str]:
        monkeypatch.setenv("DEBIAN_PRIORITY", priority)
        monkeypatch.setenv("DEBIAN_FRONTEND", frontend)
        output = conversation([str(FRONTEND), str(tmp_path / "postinst"), "configure"], answers)
        return dict(re.findall(r"\[([a-z-]+)=(.*?)\]", output))

    return asked


def test_the_answers_arrive(ask: Ask) -> None:
    answers = ask(("number", "501"), ("gps-port", ""), ("can-port", "/dev/ttyACM1"), ("pin", "jaune-2468"))
    assert answers == {
        "number": "501",
        "gps-port": "",
        "can-port": "/dev/ttyACM1",
        "protocol": "slcan",
        "bitrate": "500000",
        "pin": "jaune-2468",
    }


def test_a_wrong_answer_is_asked_again(ask: Ask) -> None:
    answers = ask(
        ("number", "car 501"),
        ("number", "501"),
        ("gps-port", "COM3"),
        ("gps-port", "ttyUSB0"),
        ("gps-port", "can0"),
        ("gps-port", "/dev/ttyUSB0"),
        ("can-port", "ttyACM1"),
        ("can-port", "none"),
        ("pin", "123"),
        ("pin", "1234"),
    )
    assert (answers["number"], answers["gps-port"]) == ("501", "/dev/ttyUSB0")
    assert (answers["can-port"], answers["pin"]) == ("none", "1234")


def test_medium_priority_asks_for_protocol_and_bit_rate(ask: Ask) -> None:
    answers = ask(
        ("number", ""),
        ("gps-port", ""),
        ("can-port", ""),
        ("protocol", "gvret"),
        ("bitrate", "500k"),
        ("bitrate", "5000000"),
        ("bitrate", "250000"),
        ("pin", ""),
        priority="medium",
    )
    assert (answers["protocol"], answers["bitrate"]) == ("gvret", "250000")


def test_an_interface_is_not_asked_for_its_protocol(ask: Ask) -> None:
    answers = ask(
        ("number", "7"),
        ("gps-port", "none"),
        ("can-port", "can0"),
        ("bitrate", "125000"),
        ("pin", ""),
        priority="medium",
    )
    assert (answers["can-port"], answers["bitrate"]) == ("can0", "125000")


def test_nothing_is_asked_where_nobody_answers(ask: Ask) -> None:
    assert ask(frontend="noninteractive")["number"] == ""


def test_every_protocol_can_be_chosen() -> None:
    line = next(line for line in (SCRIPTS / "templates").read_text().splitlines() if "Choices:" in line)
    assert set(line.removeprefix("Choices: ").split(", ")) == set(CAN_PROTOCOLS)
