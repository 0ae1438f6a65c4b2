"""Messages of install: ignored options, contradictions, who can see the page, the pin file."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from firmware_bridge.errors import StagelogError
from logger.config import configuration
from logger.install import record
from logger.install.adapters import Adapter
from logger.install.chosen import bind
from logger.install.configuration import GPS_NAME
from logger.install.root import Root
from tests.logger.install.conftest import Call, tree
from tests.logger.install.installing import CONFIGURATION, WITH_PIN, output_of


def test_an_option_of_a_later_version_is_reported_and_removed(image: Path, call: Call) -> None:
    call("install", *WITH_PIN, "--with", "chrony")
    known = record.load(Root(image))
    assert known is not None
    known.options = (*known.options, "warp-drive")
    known.save(Root(image))
    assert "this version has no option warp-drive" in output_of(image, "--yes")
    known = record.load(Root(image))
    assert known is not None and known.options == ("chrony",)


def test_options_that_a_kept_configuration_ignores_are_reported(image: Path, call: Call) -> None:
    call("install", *WITH_PIN)
    before = (image / CONFIGURATION).read_bytes()
    output = output_of(
        image, "--protocol", "gvret", "--pin-file", "-", "--gps-port", "/dev/ttyAMA0", "--can-port", "none"
    )
    ignored = re.search("^(.*): for a new configuration only", output, re.MULTILINE)
    assert ignored is not None
    assert set(ignored[1].split(", ")) == {"--can-port", "--protocol", "--pin-file"}
    assert 'write port = "/dev/ttyAMA0" there' in output
    assert (image / CONFIGURATION).read_bytes() == before


def test_none_means_no_device_in_options_and_questions(image: Path, call: Call) -> None:
    call("install", *WITH_PIN, "--can-port", "none")
    assert configuration.load(image / CONFIGURATION).can == ()


def test_without_a_pin_the_output_explains_who_can_see_the_page(image: Path, call: Call) -> None:
    assert "on this machine only" in output_of(image, "--yes")
    assert "on this machine only" not in output_of(image, "--yes"), "the configuration is the owner's now"


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (
            '[stage]\nitinerary = "/home/pi/stage.toml"\n',
            "/home/pi/stage.toml: the recorder does not see it there",
        ),
        ('[shutdown]\nwhen = "battery_v < 11.8"\n', "--with power-off"),
        ('[clock]\nchrony = "/run/chrony.stagelog.sock"\n', "--with chrony"),
        ('[gps]\nport = "gpsd://localhost"\n', "--with gpsd"),
    ],
)
def test_configuration_that_contradicts_the_installation_is_reported(
    image: Path, setting: str, text: str
) -> None:
    (image / CONFIGURATION).parent.mkdir()
    can = '[[can]]\nname = "engine"\nport = "/dev/stagelog-can"\nprotocol = "slcan"\ndbc = ["engine.dbc"]\n'
    (image / CONFIGURATION).write_text(can + setting)
    assert text in output_of(image, "--yes")
    every_option = [word for name in ("power-off", "chrony", "gpsd") for word in ("--with", name)]
    assert text not in output_of(image, "--yes", *every_option) or "home" in text


def test_an_adapter_from_an_option_or_an_answer_is_bound(image: Path) -> None:
    adapter = Adapter("/dev/ttyUSB3", 0x0403, 0x6001, "A9XYZ", "1-1.2")
    ports = {"gps_port": "/dev/ttyUSB3", "can_port": ""}
    rules, bound = bind(Root(image), ports, [adapter])
    assert bound == {"gps_port": GPS_NAME, "can_port": ""}
    assert b'ATTRS{serial}=="A9XYZ", ENV{STAGELOG}="gps"' in rules


def test_a_read_only_root_is_reported_with_a_hint(image: Path, call: Call) -> None:
    call("install", *WITH_PIN)
    before = tree(image)
    subprocess.run(["mount", "--bind", image, image], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", image], check=True)
        with pytest.raises(StagelogError, match="remount,rw") as caught:
            call("install", "--yes", "--with", "journald")
    finally:
        subprocess.run(["umount", image], check=True)
    assert str(caught.value).startswith("/"), "the path inside the machine"
    assert tree(image) == before


@pytest.mark.parametrize("pin", ["4711-\u00e4\n".encode("utf-8-sig"), b"4711-\xc3\xa4\r\n"])
def test_a_pin_file_of_any_editor_is_read(image: Path, pin: bytes) -> None:
    output_of(image, "--pin-file", "-", stdin=pin)
    assert configuration.load(image / CONFIGURATION).serve.pin == "4711-\u00e4"


def test_a_pin_in_another_encoding_is_refused(image: Path) -> None:
    before = tree(image)
    with pytest.raises(StagelogError, match="UTF-8"):
        output_of(image, "--pin-file", "-", stdin="4711-secret".encode("utf-16"))
    assert tree(image) == before


@pytest.mark.parametrize("pin", ["", "123\n", "\n4711-secret"])
def test_a_short_pin_is_refused(image: Path, call: Call, pin: str) -> None:
    before = tree(image)
    with pytest.raises(StagelogError, match="too short"):
        call("install", "--pin-file", "-", stdin=pin)
    assert tree(image) == before
