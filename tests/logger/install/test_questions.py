"""The questions on a real terminal; the typed pin is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from logger.config import configuration
from tests.logger.install.conftest import PIN
from tests.logger.pseudo_terminal import Terminal


def installing(*arguments: str) -> Terminal:
    """`stagelog install` on a pseudo terminal."""
    return Terminal("-c", "from logger.install.verbs import install; install()", *arguments)


@pytest.mark.load_sensitive
def test_a_few_questions_make_a_configuration(image: Path) -> None:
    terminal = installing("--root", str(image))
    terminal.answer("Car number", "five")
    terminal.answer("Car number", "500")
    terminal.answer("Device of the GPS receiver", "/dev/ttyAMA0")
    terminal.answer("Device of the CAN adapter", "")
    terminal.answer("Protocol of the adapter", "gvret")
    terminal.answer("Bit rate", "250000")
    terminal.answer("machine only): ", "123")
    terminal.answer("Repeat the pin: ", "123")
    assert "at least 4 characters" in terminal.until("Pin for the crew page")
    terminal.answer("machine only): ", PIN)
    terminal.answer("Repeat the pin: ", PIN)
    assert terminal.wait() == 0, terminal.seen
    assert PIN not in terminal.seen
    found = configuration.load(image / "etc/stagelog/stagelog.toml")
    assert found.gps is not None
    assert (found.car.number, found.gps.port, found.serve.pin) == (500, "/dev/ttyAMA0", PIN)
    assert (found.can[0].port, found.can[0].protocol) == ("/dev/stagelog-can", "gvret")


def test_options_replace_questions(image: Path) -> None:
    terminal = installing(
        "--root", str(image), "--number", "7", "--gps-port", "/dev/ttyAMA0", "--can-port", ""
    )  # fmt: skip
    terminal.answer("machine only): ", "")
    terminal.answer("Repeat the pin: ", "")
    assert terminal.wait() == 0, terminal.seen
    found = configuration.load(image / "etc/stagelog/stagelog.toml")
    assert (found.car.number, found.can, found.serve.host) == (7, (), "127.0.0.1")
